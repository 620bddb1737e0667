// The assembler: jumps that are resolved, and those that cannot be.
#include "ring/bpf_code.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "tests/support/bpf_machine.h"

namespace tcpeek::ring {
namespace {

std::uint32_t run(const BpfCode& code, std::uint32_t value) {
  test::KernelPacket packet;
  packet.interface = value;
  return test::run_bpf(code.finish(), packet);
}

// The accumulator holds the value that run() was given.
void load_value(BpfCode& code) {
  code.add(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_IFINDEX));
}

TEST(BpfCodeTest, EqualGoesToItsLabelElseOn) {
  BpfCode code;
  const auto five = code.new_label();
  load_value(code);
  code.if_equal(5, five);
  code.add(BPF_RET | BPF_K, 1);
  code.place(five);
  code.add(BPF_RET | BPF_K, 2);
  EXPECT_EQ(run(code, 4), 1U);
  EXPECT_EQ(run(code, 5), 2U);
}

TEST(BpfCodeTest, UnequalGoesToItsLabelElseOn) {
  BpfCode code;
  const auto other = code.new_label();
  load_value(code);
  code.unless_equal(5, other);
  code.add(BPF_RET | BPF_K, 1);
  code.place(other);
  code.add(BPF_RET | BPF_K, 2);
  EXPECT_EQ(run(code, 5), 1U);
  EXPECT_EQ(run(code, 4), 2U);
}

TEST(BpfCodeTest, AnyBitOfTheMaskGoesToItsLabel) {
  BpfCode code;
  const auto set = code.new_label();
  load_value(code);
  code.if_any_bit(0x11, set);
  code.add(BPF_RET | BPF_K, 1);
  code.place(set);
  code.add(BPF_RET | BPF_K, 2);
  EXPECT_EQ(run(code, 0xee), 1U);
  EXPECT_EQ(run(code, 0x10), 2U);
  EXPECT_EQ(run(code, 0x01), 2U);
}

TEST(BpfCodeTest, JumpOverTheLongestDistanceLandsWhereItShould) {
  BpfCode code;
  const auto far = code.new_label();
  load_value(code);
  code.if_equal(5, far);
  for (int i = 0; i < 255; ++i) code.add(BPF_RET | BPF_K, 1);
  code.place(far);
  code.add(BPF_RET | BPF_K, 2);
  EXPECT_EQ(run(code, 5), 2U);
}

TEST(BpfCodeTest, JumpThatIsTooLongIsRefused) {
  BpfCode code;
  const auto far = code.new_label();
  code.if_equal(5, far);
  for (int i = 0; i < 256; ++i) code.add(BPF_RET | BPF_K, 1);
  code.place(far);
  code.add(BPF_RET | BPF_K, 2);
  EXPECT_THROW(static_cast<void>(code.finish()), std::logic_error);
}

TEST(BpfCodeTest, JumpToNowhereOrBackwardsIsRefused) {
  BpfCode nowhere;
  nowhere.if_equal(5, nowhere.new_label());
  EXPECT_THROW(static_cast<void>(nowhere.finish()), std::logic_error);

  BpfCode backwards;
  const auto start = backwards.new_label();
  backwards.place(start);
  backwards.if_equal(5, start);
  EXPECT_THROW(static_cast<void>(backwards.finish()), std::logic_error);
}

TEST(BpfCodeTest, AppendedProgramKeepsItsOwnJumps) {
  BpfCode inner;
  const auto five = inner.new_label();
  inner.if_equal(5, five);
  inner.add(BPF_RET | BPF_K, 1);
  inner.place(five);
  inner.add(BPF_RET | BPF_K, 2);

  BpfCode code;
  const auto seven = code.new_label();
  load_value(code);
  code.if_equal(7, seven);
  code.append(inner.finish());
  code.place(seven);
  code.add(BPF_RET | BPF_K, 3);
  EXPECT_EQ(run(code, 4), 1U);
  EXPECT_EQ(run(code, 5), 2U);
  EXPECT_EQ(run(code, 7), 3U);
}

}  // namespace
}  // namespace tcpeek::ring
