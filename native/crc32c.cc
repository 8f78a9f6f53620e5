// CRC-32C by the CRC instruction of x86-64 (SSE4.2) and ARMv8, three streams at a time; by tables elsewhere.
//
// The instruction takes eight bytes per cycle but answers after three: one stream leaves two thirds of the unit idle.
// So a run of 3 * N bytes is read as three streams of N bytes, each with a CRC of its own, and these are joined:
// crc(A B) = shift(crc(A), |B|) ^ crc'(B), where crc' starts from 0 and shift(c, n) feeds n zero bytes. For a fixed n
// the shift is linear in c, so it is four table look-ups, one per byte of c. Two sizes of N: 4096 for the bulk, where
// joining costs nothing, and 256 for batches of a kilobyte.
//
// All tables are computed by the compiler: no initialisation, nothing that two threads could do at once.
#include "crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#define VLTAVA_CRC_INSTRUCTION 1
#define VLTAVA_CRC_TARGET __attribute__((target("sse4.2")))
#elif defined(__aarch64__)
#define VLTAVA_CRC_INSTRUCTION 1
#define VLTAVA_CRC_TARGET
#if defined(__linux__)
#include <sys/auxv.h>
#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7)
#endif
#endif
#endif

namespace vltava {
namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;
constexpr size_t kTables = 8;

using Table = std::array<uint32_t, 256>;

constexpr std::array<Table, kTables> MakeByteTables() {
  std::array<Table, kTables> tables{};
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) crc = (crc & 1) != 0 ? (crc >> 1) ^ kPolynomial : crc >> 1;
    tables[0][byte] = crc;
  }
  for (size_t table = 1; table < kTables; table++) {
    for (size_t byte = 0; byte < 256; byte++) {
      const uint32_t previous = tables[table - 1][byte];
      tables[table][byte] = (previous >> 8) ^ tables[0][previous & 0xff];
    }
  }
  return tables;
}

constexpr std::array<Table, kTables> kByteTables = MakeByteTables();

uint32_t Load32(const uint8_t* data) {
  uint32_t word;
  std::memcpy(&word, data, sizeof word);
  return word;
}

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the tables are read by little-endian words");

// Slicing by eight. `state` is the CRC inverted.
uint32_t StateByTable(const uint8_t* data, size_t length, uint32_t state) {
  for (; length >= 8; data += 8, length -= 8) {
    const uint32_t low = Load32(data) ^ state;
    const uint32_t high = Load32(data + 4);
    state = kByteTables[7][low & 0xff] ^ kByteTables[6][(low >> 8) & 0xff] ^ kByteTables[5][(low >> 16) & 0xff] ^
            kByteTables[4][low >> 24] ^ kByteTables[3][high & 0xff] ^ kByteTables[2][(high >> 8) & 0xff] ^
            kByteTables[1][(high >> 16) & 0xff] ^ kByteTables[0][high >> 24];
  }
  for (; length > 0; data++, length--) state = (state >> 8) ^ kByteTables[0][(state ^ *data) & 0xff];
  return state;
}

#if defined(VLTAVA_CRC_INSTRUCTION)

constexpr size_t kLong = 4096;
constexpr size_t kShort = 256;

// 32 columns: what each bit of a state becomes.
using Matrix = std::array<uint32_t, 32>;

constexpr uint32_t Apply(const Matrix& matrix, uint32_t state) {
  uint32_t result = 0;
  for (size_t bit = 0; bit < 32; bit++) {
    if (((state >> bit) & 1) != 0) result ^= matrix[bit];
  }
  return result;
}

// The effect of `zero_bytes` zero bytes, a power of two, on a state: one zero bit, squared again and again.
constexpr std::array<Table, 4> MakeShift(size_t zero_bytes) {
  Matrix matrix{};
  matrix[0] = kPolynomial;
  for (size_t bit = 1; bit < 32; bit++) matrix[bit] = uint32_t{1} << (bit - 1);
  for (size_t bits = 1; bits < zero_bytes * 8; bits *= 2) {
    Matrix square{};
    for (size_t bit = 0; bit < 32; bit++) square[bit] = Apply(matrix, matrix[bit]);
    matrix = square;
  }
  std::array<Table, 4> shift{};
  for (size_t place = 0; place < 4; place++) {
    for (uint32_t byte = 0; byte < 256; byte++) shift[place][byte] = Apply(matrix, byte << (8 * place));
  }
  return shift;
}

constexpr std::array<Table, 4> kShiftLong = MakeShift(kLong);
constexpr std::array<Table, 4> kShiftShort = MakeShift(kShort);

uint32_t Shift(const std::array<Table, 4>& shift, uint32_t state) {
  return shift[0][state & 0xff] ^ shift[1][(state >> 8) & 0xff] ^ shift[2][(state >> 16) & 0xff] ^
         shift[3][state >> 24];
}

uint64_t Load64(const uint8_t* data) {
  uint64_t word;
  std::memcpy(&word, data, sizeof word);
  return word;
}

#if defined(__x86_64__)

VLTAVA_CRC_TARGET inline uint32_t Step8(uint32_t state, const uint8_t* data) {
  return static_cast<uint32_t>(_mm_crc32_u64(state, Load64(data)));
}

VLTAVA_CRC_TARGET inline uint32_t Step1(uint32_t state, uint8_t byte) { return _mm_crc32_u8(state, byte); }

bool DetectInstruction() { return __builtin_cpu_supports("sse4.2") != 0; }

#else

// Assembler, for GCC and clang disagree on how a single function asks for the extension.
inline uint32_t Step8(uint32_t state, const uint8_t* data) {
  uint32_t result;
  __asm__(".arch_extension crc\n\tcrc32cx %w0, %w1, %x2" : "=r"(result) : "r"(state), "r"(Load64(data)));
  return result;
}

inline uint32_t Step1(uint32_t state, uint8_t byte) {
  uint32_t result;
  __asm__(".arch_extension crc\n\tcrc32cb %w0, %w1, %w2" : "=r"(result) : "r"(state), "r"(uint32_t{byte}));
  return result;
}

#if defined(__linux__)
bool DetectInstruction() { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }
#elif defined(__APPLE__)
bool DetectInstruction() { return true; }  // Every 64-bit ARM that Apple made a desktop with has it.
#else
bool DetectInstruction() { return false; }
#endif

#endif  // __x86_64__

// Reads three streams of kBlock bytes for as long as there are that many.
template <size_t kBlock>
VLTAVA_CRC_TARGET inline uint32_t ThreeStreams(const uint8_t*& data, size_t& length, uint32_t state,
                                               const std::array<Table, 4>& shift) {
  while (length >= 3 * kBlock) {
    uint32_t second = 0;
    uint32_t third = 0;
    for (size_t at = 0; at < kBlock; at += 8) {
      state = Step8(state, data + at);
      second = Step8(second, data + kBlock + at);
      third = Step8(third, data + 2 * kBlock + at);
    }
    state = Shift(shift, state) ^ second;
    state = Shift(shift, state) ^ third;
    data += 3 * kBlock;
    length -= 3 * kBlock;
  }
  return state;
}

VLTAVA_CRC_TARGET uint32_t StateByInstruction(const uint8_t* data, size_t length, uint32_t state) {
  state = ThreeStreams<kLong>(data, length, state, kShiftLong);
  state = ThreeStreams<kShort>(data, length, state, kShiftShort);
  for (; length >= 8; data += 8, length -= 8) state = Step8(state, data);
  for (; length > 0; data++, length--) state = Step1(state, *data);
  return state;
}

#endif  // VLTAVA_CRC_INSTRUCTION

}  // namespace

bool Crc32cHasInstruction() {
#if defined(VLTAVA_CRC_INSTRUCTION)
  static const bool has = DetectInstruction();
  return has;
#else
  return false;
#endif
}

uint32_t Crc32cByTable(const uint8_t* data, size_t length, uint32_t seed) {
  return ~StateByTable(data, length, ~seed);
}

uint32_t Crc32c(const uint8_t* data, size_t length, uint32_t seed) {
#if defined(VLTAVA_CRC_INSTRUCTION)
  if (Crc32cHasInstruction()) return ~StateByInstruction(data, length, ~seed);
#endif
  return Crc32cByTable(data, length, seed);
}

}  // namespace vltava
