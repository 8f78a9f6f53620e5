// CRC-32C (Castagnoli, reflected 0x82f63b78): the checksum of Kafka's record batches.
#ifndef VLTAVA_NATIVE_CRC32C_H_
#define VLTAVA_NATIVE_CRC32C_H_

#include <cstddef>
#include <cstdint>

namespace vltava {

// The CRC of `length` bytes, continued from `seed` (the CRC of the bytes before them, 0 for none). Any alignment.
// Uses the processor's CRC instruction where there is one, else tables. No state: callable from any thread.
uint32_t Crc32c(const uint8_t* data, size_t length, uint32_t seed);

// The same by tables only: what runs on a processor without the instruction. For tests.
uint32_t Crc32cByTable(const uint8_t* data, size_t length, uint32_t seed);

// Whether Crc32c uses the processor's instruction.
bool Crc32cHasInstruction();

}  // namespace vltava

#endif  // VLTAVA_NATIVE_CRC32C_H_
