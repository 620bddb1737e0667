// A small assembler for eBPF: instructions appended in order, forward jumps by label.
//
// It does not use <linux/bpf.h>, whose bpf_insn is another one than libpcap's.
//
// Thread contract: built by one thread at start.
// Precondition: a jump leads forward, 32,767 instructions at most; finish() checks it.
// Source: Linux Documentation/bpf/standardization/instruction-set.rst.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ring/jump_labels.h"

namespace tcpeek::ring {

// As the kernel takes it: struct bpf_insn.
struct EbpfInstruction {
  std::uint8_t code = 0;
  std::uint8_t registers = 0;  // destination and source, in the byte order of the machine
  std::int16_t offset = 0;
  std::int32_t immediate = 0;

  bool operator==(const EbpfInstruction&) const = default;
};
static_assert(sizeof(EbpfInstruction) == 8);

// r0: results. r1 to r5: arguments, lost in a call. r6 to r9: kept. r10: the end of the stack.
enum class Reg : std::uint8_t { r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10 };

enum class Alu : std::uint8_t {
  add = 0x00,
  sub = 0x10,
  mul = 0x20,
  or_ = 0x40,
  and_ = 0x50,
  lsh = 0x60,
  rsh = 0x70,
  xor_ = 0xa0,
  mov = 0xb0,
};
enum class Test : std::uint8_t {
  eq = 0x10,
  gt = 0x20,
  ge = 0x30,
  set = 0x40,
  ne = 0x50,
  lt = 0xa0
};
enum class Width : std::uint8_t { word = 0x00, half = 0x08, byte = 0x10 };
enum class Helper : std::int32_t { skb_load_bytes = 26, ktime_get_coarse_ns = 160 };

class EbpfCode {
 public:
  using Label = JumpLabels::Label;

  [[nodiscard]] Label new_label() { return labels_.make(); }
  void place(Label label) { labels_.place(label, code_.size()); }

  // 64 bits, as addresses and times need.
  void alu(Alu operation, Reg to, std::int32_t value);
  void alu(Alu operation, Reg to, Reg from);
  // 32 bits, the upper half becomes 0.
  void alu32(Alu operation, Reg to, std::uint32_t value);
  void alu32(Alu operation, Reg to, Reg from);
  void from_network(Reg to, unsigned bits);  // of 16 or 32 bits

  void load(Width width, Reg to, Reg base, std::int16_t offset);
  void store(Width width, Reg base, std::int16_t offset, Reg from);
  // The loads of classic BPF: from the packet of r6 into r0, or the program ends with 0.
  void load_packet(Width width, std::uint32_t at);
  void load_packet(Width width, Reg at, std::uint32_t beyond);
  // The address of the only value of an array map.
  void map_value(Reg to, int map);

  // Both are compared as 32 bits.
  void jump_if(Test test, Reg a, std::uint32_t value, Label then);
  void jump_if(Test test, Reg a, Reg b, Label then);
  void go_to(Label label);
  void call(Helper helper);
  void exit();
  void exit_with(std::uint32_t result);

  // Resolves the jumps. Throws std::logic_error if one leads nowhere or too far.
  [[nodiscard]] std::vector<EbpfInstruction> finish() const;

 private:
  struct Jump {
    std::size_t at;
    Label target;
  };
  void add(std::uint8_t code, Reg to, Reg from, std::int16_t offset, std::int32_t immediate);

  std::vector<EbpfInstruction> code_;
  std::vector<Jump> jumps_;
  JumpLabels labels_;
};

}  // namespace tcpeek::ring
