// The assembler: instructions as the kernel takes them, jumps that are resolved, and those that cannot be.
#include "ring/ebpf_code.h"

#include <gtest/gtest.h>

#include <bit>
#include <limits>
#include <stdexcept>

namespace tcpeek::ring {
namespace {

std::uint8_t registers(unsigned to, unsigned from) {
  return static_cast<std::uint8_t>(std::endian::native == std::endian::little ? to | from << 4
                                                                              : to << 4 | from);
}

// Codes of instruction-set.rst.
TEST(EbpfCodeTest, InstructionsAreThoseOfTheKernel) {
  EbpfCode code;
  code.alu(Alu::mov, Reg::r6, Reg::r1);
  code.alu(Alu::add, Reg::r3, -16);
  code.alu32(Alu::mul, Reg::r2, 0x9e3779b1);
  code.from_network(Reg::r4, 16);
  code.load(Width::half, Reg::r7, Reg::r10, -8);
  code.store(Width::word, Reg::r2, 68, Reg::r1);
  code.load_packet(Width::byte, 23);
  code.map_value(Reg::r7, 5);
  code.call(Helper::skb_load_bytes);
  code.exit();
  const std::vector<EbpfInstruction> wanted{
      {0xbf, registers(6, 1), 0, 0},
      {0x07, registers(3, 0), 0, -16},
      {0x24, registers(2, 0), 0, static_cast<std::int32_t>(0x9e3779b1)},
      {0xdc, registers(4, 0), 0, 16},
      {0x69, registers(7, 10), -8, 0},
      {0x63, registers(2, 1), 68, 0},
      {0x30, 0, 0, 23},
      {0x18, registers(7, 2), 0, 5},
      {0, 0, 0, 0},
      {0x85, 0, 0, 26},
      {0x95, 0, 0, 0}};
  EXPECT_EQ(code.finish(), wanted);
}

TEST(EbpfCodeTest, AJumpSkipsWhatIsBeforeItsLabel) {
  EbpfCode code;
  const auto end = code.new_label();
  code.jump_if(ring::Test::ne, Reg::r1, 7, end);
  code.exit_with(1);
  code.go_to(end);
  code.place(end);
  code.exit();
  const auto made = code.finish();
  EXPECT_EQ(made.at(0).offset, 3);
  EXPECT_EQ(made.at(3).offset, 0);
}

TEST(EbpfCodeTest, AJumpThatLeadsNowhereOrBackIsRefused) {
  EbpfCode nowhere;
  nowhere.go_to(nowhere.new_label());
  EXPECT_THROW(static_cast<void>(nowhere.finish()), std::logic_error);
  EbpfCode back;
  const auto start = back.new_label();
  back.place(start);
  back.go_to(start);
  EXPECT_THROW(static_cast<void>(back.finish()), std::logic_error);
}

TEST(EbpfCodeTest, AJumpReachesAsFarAsItsOffset) {
  constexpr int kFarthest = std::numeric_limits<std::int16_t>::max();
  for (const int skipped : {kFarthest, kFarthest + 1}) {
    EbpfCode code;
    const auto end = code.new_label();
    code.go_to(end);
    for (int i = 0; i < skipped; ++i) code.exit();
    code.place(end);
    code.exit();
    if (skipped == kFarthest) {
      EXPECT_EQ(code.finish().front().offset, kFarthest);
    } else {
      EXPECT_THROW(static_cast<void>(code.finish()), std::logic_error);
    }
  }
}

}  // namespace
}  // namespace tcpeek::ring
