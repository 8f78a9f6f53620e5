// The addon's core without Node: run under AddressSanitizer and UndefinedBehaviorSanitizer by core.test.ts.
//
//   core-test SEED FOLDER      FOLDER: an empty one for its files. Exit status 0 and "ok" when all holds.
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "../../native/crc32c.h"
#include "../../native/mapping.h"

namespace {

std::mt19937_64 generator;
std::string folder;

size_t Below(size_t bound) { return static_cast<size_t>(generator() % bound); }

#define CHECK(condition)                                                       \
  do {                                                                         \
    if (!(condition)) {                                                        \
      std::fprintf(stderr, "FAILED at line %d: %s\n", __LINE__, #condition);   \
      std::abort();                                                            \
    }                                                                          \
  } while (false)

uint32_t Bitwise(const uint8_t* data, size_t length, uint32_t seed) {
  uint32_t state = ~seed;
  for (size_t index = 0; index < length; index++) {
    state ^= data[index];
    for (int bit = 0; bit < 8; bit++) state = (state & 1) != 0 ? (state >> 1) ^ 0x82f63b78 : state >> 1;
  }
  return ~state;
}

// The bytes end where the allocation ends, so that a read past them is seen.
void TestCrc32c() {
  for (int round = 0; round < 120000; round++) {
    const size_t length = round % 400 == 0 ? Below(30000) : Below(round % 20 == 0 ? 900 : 80);
    const size_t start = Below(16);
    std::vector<uint8_t> bytes(start + length);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(generator());
    const uint32_t seed = static_cast<uint32_t>(round % 3 == 0 ? 0 : generator());
    const uint32_t expected = Bitwise(bytes.data() + start, length, seed);
    CHECK(vltava::Crc32c(bytes.data() + start, length, seed) == expected);
    CHECK(vltava::Crc32cByTable(bytes.data() + start, length, seed) == expected);
  }
}

int FileOfPages(const char* name, size_t pages) {
  const std::string path = folder + "/" + name;
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  CHECK(fd >= 0);
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const std::vector<char> content(pages * page, 'x');
  CHECK(write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size()));
  return fd;
}

struct Mapped {
  void* base;
  vltava::MappingToken token;
};

Mapped Map(int fd, size_t length) {
  Mapped mapped;
  CHECK(vltava::MapFile(fd, 0, length, &mapped.base, &mapped.token) == 0);
  return mapped;
}

void TestTable() {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const int fd = FileOfPages("table", 1);
  void* base;
  vltava::MappingToken token;
  CHECK(vltava::MapFile(-1, 0, page, &base, &token) == -EBADF);
  CHECK(vltava::MapFile(fd, 1, page, &base, &token) == -EINVAL);
  CHECK(vltava::MapFile(fd, 0, 0, &base, &token) == -EINVAL);
  CHECK(vltava::MappedCount() == 0);

  // Random order of additions and removals, against a list.
  std::vector<Mapped> live;
  std::vector<vltava::MappingToken> gone;
  for (int round = 0; round < 20000; round++) {
    if (live.empty() || (live.size() < 500 && Below(2) == 0)) {
      live.push_back(Map(fd, page));
    } else {
      const size_t index = Below(live.size());
      const Mapped mapped = live[index];
      CHECK(vltava::FindMapping(mapped.base, page) == mapped.token);
      CHECK(vltava::FindMapping(mapped.base, page - 1) == 0);
      CHECK(vltava::MappingLength(mapped.token) == page);
      CHECK(vltava::UnmapFile(mapped.token) == 0);
      CHECK(vltava::FindMapping(mapped.base, page) == 0);
      CHECK(vltava::MappingLength(mapped.token) == 0);
      gone.push_back(mapped.token);
      live[index] = live.back();
      live.pop_back();
    }
    if (!gone.empty()) CHECK(vltava::UnmapFile(gone[Below(gone.size())]) == -EINVAL);
    CHECK(vltava::UnmapFile(generator()) == -EINVAL);
    CHECK(vltava::MappedCount() == live.size());
    CHECK(vltava::MappedBytes() == live.size() * page);
  }

  while (live.size() < vltava::kMappingCountMax) live.push_back(Map(fd, page));
  CHECK(vltava::MapFile(fd, 0, page, &base, &token) == -ENOMEM);
  CHECK(vltava::UnmapFile(live.back().token) == 0);
  live.pop_back();
  live.push_back(Map(fd, page));
  for (const Mapped& mapped : live) CHECK(vltava::UnmapFile(mapped.token) == 0);
  CHECK(vltava::MappedCount() == 0 && vltava::MappedBytes() == 0);
  close(fd);
}

uint64_t SumOf(const void* base, size_t length) {
  const volatile uint8_t* bytes = static_cast<const volatile uint8_t*>(base);
  uint64_t sum = 0;
  for (size_t index = 0; index < length; index++) sum += bytes[index];
  return sum;
}

void TestTruncation() {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const int fd = FileOfPages("truncated", 8);
  const Mapped mapped = Map(fd, 8 * page);
  CHECK(SumOf(mapped.base, 8 * page) == 8 * page * 'x');
  CHECK(ftruncate(fd, static_cast<off_t>(3 * page + 100)) == 0);
  const uint64_t before = vltava::SigbusCount();
  errno = 77;
  CHECK(SumOf(mapped.base, 8 * page) == (3 * page + 100) * 'x');
  CHECK(errno == 77);
  CHECK(vltava::SigbusCount() == before + 4);  // Page 3 lies partly in the file; 4 to 7 do not.
  CHECK(SumOf(mapped.base, 8 * page) == (3 * page + 100) * 'x');
  CHECK(vltava::SigbusCount() == before + 4);
  CHECK(vltava::UnmapFile(mapped.token) == 0);
  close(fd);
}

// Some threads fault in truncated files while others change the table under the handler's eyes.
std::atomic<bool> is_over{false};

void* ChangeTable(void* argument) {
  const int fd = *static_cast<int*>(argument);
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  while (!is_over.load()) {
    Mapped mapped[8];
    for (Mapped& one : mapped) one = Map(fd, page);
    for (const Mapped& one : mapped) CHECK(vltava::UnmapFile(one.token) == 0);
  }
  return nullptr;
}

void* Fault(void* argument) {
  const int fd = *static_cast<int*>(argument);
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  for (int round = 0; round < 500; round++) {
    const Mapped mapped = Map(fd, 16 * page);
    CHECK(SumOf(mapped.base, 16 * page) == page * 'x');
    CHECK(vltava::UnmapFile(mapped.token) == 0);
  }
  return nullptr;
}

void TestThreads() {
  int fd = FileOfPages("threads", 1);  // Maps of 16 pages of it: 15 lie past its end.
  pthread_t changers[2];
  pthread_t faulters[2];
  for (pthread_t& thread : changers) CHECK(pthread_create(&thread, nullptr, ChangeTable, &fd) == 0);
  for (pthread_t& thread : faulters) CHECK(pthread_create(&thread, nullptr, Fault, &fd) == 0);
  for (const pthread_t thread : faulters) CHECK(pthread_join(thread, nullptr) == 0);
  is_over.store(true);
  for (const pthread_t thread : changers) CHECK(pthread_join(thread, nullptr) == 0);
  CHECK(vltava::MappedCount() == 0);
  close(fd);
}

// What is none of ours goes to the handler that was there before.
sigjmp_buf after_fault;
std::atomic<int> passed_on{0};

void PreviousHandler(int, siginfo_t* info, void*) {
  passed_on.fetch_add(1);
  if (info->si_code > 0) siglongjmp(after_fault, 1);
}

void TestPassingOn() {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  CHECK(kill(getpid(), SIGBUS) == 0);
  CHECK(passed_on.load() == 1);

  const int fd = FileOfPages("foreign", 2);
  void* foreign = mmap(nullptr, 2 * page, PROT_READ, MAP_SHARED, fd, 0);
  CHECK(foreign != MAP_FAILED);
  CHECK(ftruncate(fd, static_cast<off_t>(page)) == 0);
  const uint64_t before = vltava::SigbusCount();
  if (sigsetjmp(after_fault, 1) == 0) {
    SumOf(foreign, 2 * page);
    CHECK(false);
  }
  CHECK(passed_on.load() == 2);
  CHECK(vltava::SigbusCount() == before);
  munmap(foreign, 2 * page);
  close(fd);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) return 2;
  generator.seed(std::strtoull(arguments[1], nullptr, 10));
  folder = arguments[2];
  struct sigaction previous = {};
  previous.sa_sigaction = PreviousHandler;
  previous.sa_flags = SA_SIGINFO;
  CHECK(sigaction(SIGBUS, &previous, nullptr) == 0);  // Before the guard, which the first map installs.

  TestCrc32c();
  TestTable();
  TestTruncation();
  TestThreads();
  TestPassingOn();
  std::puts("ok");
  return 0;
}
