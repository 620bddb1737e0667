// A classic BPF machine for tests: runs a program over a packet as Linux would, the loads that only
// Linux knows (SKF_AD_*, SKF_NET_OFF, SKF_LL_OFF) included.
//
// Stricter than the kernel where a program of ours would be wrong: reading scratch memory that was
// never written, an unknown instruction, a jump out of the program throw std::logic_error. Source:
// Linux Documentation/networking/filter.rst, net/core/filter.c.
#pragma once

#include <linux/filter.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <vector>

namespace tcpeek::test {

// What the kernel holds when it runs a program.
struct KernelPacket {
  std::vector<std::byte> bytes;  // from the link header on
  std::size_t data_at = 0;       // where the packet begins for non-negative offsets
  std::size_t network_at = 14;
  std::uint16_t protocol = 0;  // ethertype
  std::uint8_t packet_type = 0;
  std::uint32_t interface = 1;
};

class BpfMachine {
 public:
  BpfMachine(std::span<const sock_filter> program, const KernelPacket& packet)
      : program_(program), packet_(packet) {}

  [[nodiscard]] std::uint32_t run() {
    while (!result_) {
      if (at_ >= program_.size()) throw std::logic_error("the program runs off its end");
      step(program_[at_++]);
    }
    return *result_;
  }

 private:
  static constexpr std::uint32_t from(int offset) { return static_cast<std::uint32_t>(offset); }

  void step(const sock_filter& insn) {
    switch (BPF_CLASS(insn.code)) {
      case BPF_LD:
        return load(insn, a_);
      case BPF_LDX:
        return load(insn, x_);
      case BPF_ST:
        return store(insn.k, a_);
      case BPF_STX:
        return store(insn.k, x_);
      case BPF_ALU:
        return compute(insn);
      case BPF_JMP:
        return jump(insn);
      case BPF_RET:
        result_ = BPF_RVAL(insn.code) == BPF_A ? a_ : insn.k;
        return;
      default:
        (BPF_MISCOP(insn.code) == BPF_TAX ? x_ : a_) = BPF_MISCOP(insn.code) == BPF_TAX ? a_ : x_;
    }
  }

  void load(const sock_filter& insn, std::uint32_t& into) {
    switch (BPF_MODE(insn.code)) {
      case BPF_IMM:
        into = insn.k;
        return;
      case BPF_LEN:
        into = static_cast<std::uint32_t>(packet_.bytes.size() - packet_.data_at);
        return;
      case BPF_MEM:
        into = scratch(insn.k);
        return;
      case BPF_ABS:
        return load_packet(insn.k, width(insn), into);
      case BPF_IND:
        return load_packet(insn.k + x_, width(insn), into);
      case BPF_MSH:
        load_packet(insn.k, 1, into);
        into = (into & 0xf) * 4;
        return;
      default:
        throw std::logic_error("unknown load");
    }
  }

  static std::size_t width(const sock_filter& insn) {
    if (BPF_SIZE(insn.code) == BPF_W) return 4;
    return BPF_SIZE(insn.code) == BPF_H ? 2 : 1;
  }

  // A load that fails ends the program with 0.
  void load_packet(std::uint32_t k, std::size_t size, std::uint32_t& into) {
    if (k >= from(SKF_AD_OFF)) return load_ancillary(k - from(SKF_AD_OFF), into);
    std::size_t at = packet_.data_at + k;
    if (k >= from(SKF_NET_OFF)) {
      at = packet_.network_at + (k - from(SKF_NET_OFF));
    } else if (k >= from(SKF_LL_OFF)) {
      at = k - from(SKF_LL_OFF);
    }
    if (at > packet_.bytes.size() || packet_.bytes.size() - at < size) {
      result_ = 0;
      return;
    }
    into = 0;
    for (std::size_t i = 0; i < size; ++i) {
      into = into << 8 | std::to_integer<std::uint32_t>(packet_.bytes[at + i]);
    }
  }

  void load_ancillary(std::uint32_t what, std::uint32_t& into) const {
    switch (what) {
      case SKF_AD_PROTOCOL:
        into = packet_.protocol;
        return;
      case SKF_AD_PKTTYPE:
        into = packet_.packet_type;
        return;
      case SKF_AD_IFINDEX:
        into = packet_.interface;
        return;
      default:
        throw std::logic_error("unknown ancillary load");
    }
  }

  std::uint32_t scratch(std::uint32_t k) const {
    if (!memory_.at(k)) throw std::logic_error("scratch memory is read before it is written");
    return *memory_.at(k);
  }
  void store(std::uint32_t k, std::uint32_t value) { memory_.at(k) = value; }

  void compute(const sock_filter& insn) {
    const std::uint32_t operand = BPF_SRC(insn.code) == BPF_X ? x_ : insn.k;
    switch (BPF_OP(insn.code)) {
      case BPF_ADD:
        a_ += operand;
        return;
      case BPF_SUB:
        a_ -= operand;
        return;
      case BPF_MUL:
        a_ *= operand;
        return;
      case BPF_OR:
        a_ |= operand;
        return;
      case BPF_AND:
        a_ &= operand;
        return;
      case BPF_XOR:
        a_ ^= operand;
        return;
      case BPF_LSH:
        a_ <<= shift(operand);
        return;
      case BPF_RSH:
        a_ >>= shift(operand);
        return;
      default:
        throw std::logic_error("unknown arithmetic");
    }
  }

  static std::uint32_t shift(std::uint32_t by) {
    if (by >= 32) throw std::logic_error("shift by 32 or more");
    return by;
  }

  void jump(const sock_filter& insn) {
    if (BPF_OP(insn.code) == BPF_JA) {
      at_ += insn.k;
      return;
    }
    const std::uint32_t operand = BPF_SRC(insn.code) == BPF_X ? x_ : insn.k;
    at_ += holds(BPF_OP(insn.code), operand) ? insn.jt : insn.jf;
  }

  [[nodiscard]] bool holds(std::uint32_t operation, std::uint32_t operand) const {
    switch (operation) {
      case BPF_JEQ:
        return a_ == operand;
      case BPF_JGT:
        return a_ > operand;
      case BPF_JGE:
        return a_ >= operand;
      case BPF_JSET:
        return (a_ & operand) != 0;
      default:
        throw std::logic_error("unknown jump");
    }
  }

  std::span<const sock_filter> program_;
  const KernelPacket& packet_;
  std::size_t at_ = 0;
  std::uint32_t a_ = 0;
  std::uint32_t x_ = 0;
  std::array<std::optional<std::uint32_t>, BPF_MEMWORDS> memory_;
  std::optional<std::uint32_t> result_;
};

[[nodiscard]] inline std::uint32_t run_bpf(std::span<const sock_filter> program,
                                           const KernelPacket& packet) {
  return BpfMachine(program, packet).run();
}

}  // namespace tcpeek::test
