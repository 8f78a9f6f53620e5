// The table of live maps and the SIGBUS handler. One of each per process, shared by all threads that loaded the addon.
//
//  Slot field   written by         meaning
//  -----------  -----------------  ------------------------------------------------------------
//  generation   holder of `mutex`  odd: the slot is live; even: free. Grows by one at each change
//  base         holder of `mutex`  first byte; page aligned
//  length       holder of `mutex`  bytes
//
// The handler takes no lock: it reads generation, base, length, generation, and ignores a slot whose generation is even
// or changed meanwhile. It may ignore that one, for the slot of the faulting address cannot be in motion: a range is in
// the table before its first reader has the address, and leaves it after the last one (the view is detached).
// A range leaves the table before it is unmapped, so the handler never touches an address that became someone else's.
//
// All atomics are sequentially consistent: nothing here is hot.
#include "mapping.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>

namespace vltava {
namespace {

struct Slot {
  std::atomic<uint64_t> generation;
  std::atomic<uintptr_t> base;
  std::atomic<size_t> length;
};

static_assert(std::atomic<uint64_t>::is_always_lock_free, "the signal handler may not take a lock");
static_assert(sizeof(void*) == 8, "a token needs 64 bits of pointer");

constexpr unsigned kSlotBits = 16;
static_assert(kMappingCountMax < (size_t{1} << kSlotBits));

// Zero at load; without destructors, for threads may still run while the process exits.
Slot slots[kMappingCountMax];
std::atomic<size_t> slots_used{0};  // Slots at or above this index were never live.
std::atomic<uint64_t> mapped_count{0};
std::atomic<uint64_t> mapped_bytes{0};
std::atomic<uint64_t> sigbus_count{0};

pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;  // Guards what follows, and writes to `slots`.
uint16_t free_slots[kMappingCountMax];
size_t free_count = 0;
bool guard_installed = false;

struct sigaction previous_action;
size_t page_bytes = 0;

class Lock {
 public:
  Lock() { pthread_mutex_lock(&mutex); }
  ~Lock() { pthread_mutex_unlock(&mutex); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
};

bool IsMapped(uintptr_t address) {
  const size_t used = slots_used.load();
  for (size_t index = 0; index < used; index++) {
    const Slot& slot = slots[index];
    const uint64_t generation = slot.generation.load();
    if (generation % 2 == 0) continue;
    const uintptr_t base = slot.base.load();
    const size_t length = slot.length.load();
    if (slot.generation.load() != generation) continue;
    // Through the end of the last page, whose bytes past `length` are mapped too.
    const size_t length_in_pages = (length + page_bytes - 1) / page_bytes * page_bytes;
    if (address - base < length_in_pages) return true;
  }
  return false;
}

void PassOn(int signal_number, siginfo_t* info, void* context) {
  if ((previous_action.sa_flags & SA_SIGINFO) != 0) {
    previous_action.sa_sigaction(signal_number, info, context);
    return;
  }
  if (previous_action.sa_handler == SIG_IGN && info->si_code <= 0) return;  // Sent by kill(2), and ignored before us.
  if (previous_action.sa_handler == SIG_DFL || previous_action.sa_handler == SIG_IGN) {
    struct sigaction fallback = {};
    fallback.sa_handler = SIG_DFL;
    sigaction(signal_number, &fallback, nullptr);
    raise(signal_number);  // Blocked until this handler returns, and then ends the process as without us.
    return;
  }
  previous_action.sa_handler(signal_number);
}

// Async-signal-safe: atomics, mmap and sigaction as bare system calls, errno put back.
void OnSigbus(int signal_number, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  const uintptr_t address = reinterpret_cast<uintptr_t>(info->si_addr);
  const bool is_fault = info->si_code > 0;  // Not sent by kill(2), whose si_addr means nothing.
  if (is_fault && IsMapped(address)) {
    void* page = reinterpret_cast<void*>(address / page_bytes * page_bytes);
    if (mmap(page, page_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page) {
      sigbus_count.fetch_add(1);
      errno = saved_errno;
      return;
    }
  }
  PassOn(signal_number, info, context);
  errno = saved_errno;
}

// Node unloads an addon when the last thread that loaded it ends, and the handler would point into nothing. So the
// library pins itself.
bool PinLibrary() {
  Dl_info library;
  if (dladdr(reinterpret_cast<void*>(&OnSigbus), &library) == 0) return false;
  // Null where this code is part of the main program (the core test), which is never unloaded.
  dlopen(library.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
  return true;
}

int InstallGuard() {
  if (guard_installed) return 0;
  if (!PinLibrary()) return -ENOTSUP;
  page_bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  struct sigaction action = {};
  action.sa_sigaction = OnSigbus;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigemptyset(&action.sa_mask);
  if (sigaction(SIGBUS, &action, &previous_action) != 0) return -errno;
  guard_installed = true;
  return 0;
}

// Null for a token whose mapping is gone, or never was. The caller holds `mutex`.
Slot* LiveSlot(MappingToken token) {
  const size_t index = token & ((size_t{1} << kSlotBits) - 1);
  const uint64_t generation = token >> kSlotBits;
  if (index >= kMappingCountMax || generation % 2 == 0) return nullptr;
  return slots[index].generation.load() == generation ? &slots[index] : nullptr;
}

}  // namespace

int MapFile(int fd, off_t position, size_t length, void** base, MappingToken* token) {
  const Lock lock;
  const int installed = InstallGuard();
  if (installed != 0) return installed;
  if (free_count == 0 && slots_used.load() == kMappingCountMax) return -ENOMEM;

  void* mapped = mmap(nullptr, length, PROT_READ, MAP_SHARED, fd, position);
  if (mapped == MAP_FAILED) return -errno;

  const size_t index = free_count > 0 ? free_slots[--free_count] : slots_used.load();
  Slot& slot = slots[index];
  const uint64_t generation = slot.generation.load() + 1;
  slot.base.store(reinterpret_cast<uintptr_t>(mapped));
  slot.length.store(length);
  slot.generation.store(generation);
  if (index == slots_used.load()) slots_used.store(index + 1);
  mapped_count.fetch_add(1);
  mapped_bytes.fetch_add(length);

  *base = mapped;
  *token = generation << kSlotBits | index;
  return 0;
}

int UnmapFile(MappingToken token) {
  const Lock lock;
  Slot* slot = LiveSlot(token);
  if (slot == nullptr) return -EINVAL;
  void* base = reinterpret_cast<void*>(slot->base.load());
  const size_t length = slot->length.load();
  slot->generation.store(slot->generation.load() + 1);
  free_slots[free_count++] = static_cast<uint16_t>(slot - slots);
  mapped_count.fetch_sub(1);
  mapped_bytes.fetch_sub(length);
  return munmap(base, length) == 0 ? 0 : -errno;
}

size_t MappingLength(MappingToken token) {
  const Lock lock;
  const Slot* slot = LiveSlot(token);
  return slot == nullptr ? 0 : slot->length.load();
}

MappingToken FindMapping(const void* base, size_t length) {
  const Lock lock;
  const size_t used = slots_used.load();
  for (size_t index = 0; index < used; index++) {
    const Slot& slot = slots[index];
    const uint64_t generation = slot.generation.load();
    if (generation % 2 == 0) continue;
    if (slot.base.load() != reinterpret_cast<uintptr_t>(base) || slot.length.load() != length) continue;
    return generation << kSlotBits | index;
  }
  return 0;
}

uint64_t MappedCount() { return mapped_count.load(); }
uint64_t MappedBytes() { return mapped_bytes.load(); }
uint64_t SigbusCount() { return sigbus_count.load(); }

}  // namespace vltava
