#include "ring/ebpf_code.h"

#include <bit>
#include <limits>
#include <stdexcept>

namespace tcpeek::ring {
namespace {

// Classes and modes.
constexpr std::uint8_t kLd = 0x00, kLdx = 0x01, kStx = 0x03, kAlu = 0x04, kJmp = 0x05,
                       kJmp32 = 0x06, kAlu64 = 0x07;
constexpr std::uint8_t kAbs = 0x20, kInd = 0x40, kMem = 0x60;
constexpr std::uint8_t kFromRegister = 0x08;
constexpr std::uint8_t kDoubleWord = 0x18;
constexpr std::uint8_t kToBigEndian = 0xd0 | kFromRegister | kAlu;
constexpr std::uint8_t kCall = 0x80, kExit = 0x90;
// What the source of a 64-bit immediate says: a map's descriptor, of which the first value is meant.
constexpr auto kPseudoMapValue = static_cast<Reg>(2);

template <class Enumeration>
constexpr std::uint8_t bits_of(Enumeration value) {
  return static_cast<std::uint8_t>(value);
}

constexpr std::uint8_t both(Reg to, Reg from) {
  constexpr bool kLittle = std::endian::native == std::endian::little;
  const unsigned low = bits_of(kLittle ? to : from);
  const unsigned high = bits_of(kLittle ? from : to);
  return static_cast<std::uint8_t>(low | high << 4);
}

constexpr std::int32_t as_immediate(std::uint32_t value) {
  return static_cast<std::int32_t>(value);
}

}  // namespace

void EbpfCode::add(std::uint8_t code, Reg to, Reg from, std::int16_t offset,
                   std::int32_t immediate) {
  code_.push_back({code, both(to, from), offset, immediate});
}

void EbpfCode::alu(Alu operation, Reg to, std::int32_t value) {
  add(bits_of(operation) | kAlu64, to, Reg::r0, 0, value);
}
void EbpfCode::alu(Alu operation, Reg to, Reg from) {
  add(bits_of(operation) | kAlu64 | kFromRegister, to, from, 0, 0);
}
void EbpfCode::alu32(Alu operation, Reg to, std::uint32_t value) {
  add(bits_of(operation) | kAlu, to, Reg::r0, 0, as_immediate(value));
}
void EbpfCode::alu32(Alu operation, Reg to, Reg from) {
  add(bits_of(operation) | kAlu | kFromRegister, to, from, 0, 0);
}
void EbpfCode::from_network(Reg to, unsigned bits) {
  add(kToBigEndian, to, Reg::r0, 0, static_cast<std::int32_t>(bits));
}

void EbpfCode::load(Width width, Reg to, Reg base, std::int16_t offset) {
  add(bits_of(width) | kLdx | kMem, to, base, offset, 0);
}
void EbpfCode::store(Width width, Reg base, std::int16_t offset, Reg from) {
  add(bits_of(width) | kStx | kMem, base, from, offset, 0);
}
void EbpfCode::load_packet(Width width, std::uint32_t at) {
  add(bits_of(width) | kLd | kAbs, Reg::r0, Reg::r0, 0, as_immediate(at));
}
void EbpfCode::load_packet(Width width, Reg at, std::uint32_t beyond) {
  add(bits_of(width) | kLd | kInd, Reg::r0, at, 0, as_immediate(beyond));
}
void EbpfCode::map_value(Reg to, int map) {
  add(kLd | kDoubleWord, to, kPseudoMapValue, 0, map);
  add(0, Reg::r0, Reg::r0, 0, 0);
}

void EbpfCode::jump_if(Test test, Reg a, std::uint32_t value, Label then) {
  jumps_.push_back({code_.size(), then});
  add(bits_of(test) | kJmp32, a, Reg::r0, 0, as_immediate(value));
}
void EbpfCode::jump_if(Test test, Reg a, Reg b, Label then) {
  jumps_.push_back({code_.size(), then});
  add(bits_of(test) | kJmp32 | kFromRegister, a, b, 0, 0);
}
void EbpfCode::go_to(Label label) {
  jumps_.push_back({code_.size(), label});
  add(kJmp, Reg::r0, Reg::r0, 0, 0);
}
void EbpfCode::call(Helper helper) {
  add(kJmp | kCall, Reg::r0, Reg::r0, 0, static_cast<std::int32_t>(helper));
}
void EbpfCode::exit() {
  add(kJmp | kExit, Reg::r0, Reg::r0, 0, 0);
}
void EbpfCode::exit_with(std::uint32_t result) {
  alu32(Alu::mov, Reg::r0, result);
  exit();
}

std::vector<EbpfInstruction> EbpfCode::finish() const {
  constexpr std::size_t kFarthest = std::numeric_limits<std::int16_t>::max();
  std::vector<EbpfInstruction> code = code_;
  for (const Jump& j : jumps_) {
    const std::size_t distance = labels_.distance(j.at, j.target);
    if (distance > kFarthest) throw std::logic_error("eBPF jump is too long");
    code[j.at].offset = static_cast<std::int16_t>(distance);
  }
  return code;
}

}  // namespace tcpeek::ring
