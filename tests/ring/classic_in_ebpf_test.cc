// What the translation does not know; that it is right otherwise is shown by prefilter_test.cc, in the kernel.
#include "ring/classic_in_ebpf.h"

#include <gtest/gtest.h>

#include <string>

#include "ring/prefilter_refused.h"

namespace tcpeek::ring {
namespace {

// libpcap may make another program tomorrow: then there is no prefilter, instead of no tcpeek.
TEST(ClassicInEbpfTest, AnInstructionThatItDoesNotKnowIsNoPrefilter) {
  const sock_filter unknown[] = {{BPF_ALU | BPF_NEG, 0, 0, 0},
                                 {BPF_ALU | BPF_MOD | BPF_K, 0, 0, 3},
                                 {BPF_LD | BPF_MEM, 0, 0, BPF_MEMWORDS},
                                 {BPF_RET | BPF_A, 0, 0, 0}};
  for (const sock_filter& instruction : unknown) {
    EbpfCode code;
    const auto accepted = code.new_label();
    try {
      append_classic(code, std::span(&instruction, 1), accepted);
      ADD_FAILURE() << instruction.code << " is translated";
    } catch (const PrefilterRefused& refused) {
      EXPECT_EQ(refused.what(), "cannot translate the kernel filter: it has the instruction " +
                                    std::to_string(instruction.code));
      EXPECT_EQ(refused.log(), "");
    }
  }
}

}  // namespace
}  // namespace tcpeek::ring
