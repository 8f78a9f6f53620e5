// Read-only, shared maps of files, and the guard that keeps a truncated file from ending the process.
//
// A page past the end of a mapped file raises SIGBUS when it is read, whoever shortened the file; unhandled, that ends
// the whole process, the user's program included. The guard puts a page of zeros in its place and lets the reader go
// on: zeros fail the CRC, so the damage becomes a typed error. Such a page stays zeros until the range is unmapped,
// also when the file grows again: nobody reads a map past the end of the file on purpose.
#ifndef VLTAVA_NATIVE_MAPPING_H_
#define VLTAVA_NATIVE_MAPPING_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace vltava {

// A quarter of Linux's usual vm.max_map_count (65,530), which also counts every page that the guard put in.
constexpr size_t kMappingCountMax = 16384;

// Names one mapping for ever: never 0, never used again after UnmapFile.
using MappingToken = uint64_t;

// mmap(2) with PROT_READ and MAP_SHARED. Returns 0, or -errno; -ENOMEM also when kMappingCountMax maps are live.
int MapFile(int fd, off_t position, size_t length, void** base, MappingToken* token);

// munmap(2), at most once per token. Returns 0, or -errno; -EINVAL for a token that is not (or no longer) live.
int UnmapFile(MappingToken token);

// Bytes of a live mapping; 0 for a token that is not live.
size_t MappingLength(MappingToken token);

// The live mapping with exactly this range, or 0.
MappingToken FindMapping(const void* base, size_t length);

// Of this process, all threads.
uint64_t MappedCount();
uint64_t MappedBytes();
uint64_t SigbusCount();

}  // namespace vltava

#endif  // VLTAVA_NATIVE_MAPPING_H_
