#include "ring/classic_in_ebpf.h"

#include <string>
#include <vector>

#include "ring/prefilter_refused.h"

namespace tcpeek::ring {
namespace {

constexpr Reg kAccumulator = Reg::r7;
constexpr Reg kIndex = Reg::r8;
constexpr Reg kContext = Reg::r6;

[[noreturn]] void refuse(const sock_filter& insn) {
  throw PrefilterRefused("cannot translate the kernel filter: it has the instruction " +
                         std::to_string(insn.code));
}

Width width_of(const sock_filter& insn) {
  if (BPF_SIZE(insn.code) == BPF_W) return Width::word;
  return BPF_SIZE(insn.code) == BPF_H ? Width::half : Width::byte;
}

std::int16_t scratch(const sock_filter& insn) {
  if (insn.k >= BPF_MEMWORDS) refuse(insn);
  return static_cast<std::int16_t>(-4 - 4 * static_cast<int>(insn.k));
}

class Translation {
 public:
  Translation(EbpfCode& code, std::span<const sock_filter> program, EbpfCode::Label accepted)
      : code_(code), program_(program), accepted_(accepted) {
    for (std::size_t i = 0; i < program.size(); ++i) places_.push_back(code.new_label());
  }

  void run() {
    for (at_ = 0; at_ < program_.size(); ++at_) {
      code_.place(places_[at_]);
      translate(program_[at_]);
    }
  }

 private:
  void translate(const sock_filter& insn) {
    switch (BPF_CLASS(insn.code)) {
      case BPF_LD:
        return load(insn, kAccumulator);
      case BPF_LDX:
        return load(insn, kIndex);
      case BPF_ST:
        return code_.store(Width::word, Reg::r10, scratch(insn), kAccumulator);
      case BPF_STX:
        return code_.store(Width::word, Reg::r10, scratch(insn), kIndex);
      case BPF_ALU:
        return compute(insn);
      case BPF_JMP:
        return jump(insn);
      case BPF_RET:
        return give_verdict(insn);
      default:
        if (BPF_MISCOP(insn.code) == BPF_TAX) return code_.alu32(Alu::mov, kIndex, kAccumulator);
        return code_.alu32(Alu::mov, kAccumulator, kIndex);
    }
  }

  void load(const sock_filter& insn, Reg into) {
    switch (BPF_MODE(insn.code)) {
      case BPF_IMM:
        return code_.alu32(Alu::mov, into, insn.k);
      case BPF_LEN:
        return code_.load(Width::word, into, kContext, context::kLength);
      case BPF_MEM:
        return code_.load(Width::word, into, Reg::r10, scratch(insn));
      case BPF_ABS:
        if (insn.k >= static_cast<std::uint32_t>(SKF_AD_OFF)) return load_ancillary(insn, into);
        code_.load_packet(width_of(insn), insn.k);
        return code_.alu32(Alu::mov, into, Reg::r0);
      case BPF_IND:
        code_.load_packet(width_of(insn), kIndex, insn.k);
        return code_.alu32(Alu::mov, into, Reg::r0);
      case BPF_MSH:
        code_.load_packet(Width::byte, insn.k);
        code_.alu32(Alu::and_, Reg::r0, 0xf);
        code_.alu32(Alu::lsh, Reg::r0, 2);
        return code_.alu32(Alu::mov, into, Reg::r0);
      default:
        refuse(insn);
    }
  }

  void load_ancillary(const sock_filter& insn, Reg into) {
    switch (insn.k - static_cast<std::uint32_t>(SKF_AD_OFF)) {
      case SKF_AD_PROTOCOL:
        code_.load(Width::word, into, kContext, context::kProtocol);
        return code_.from_network(into, 16);
      case SKF_AD_PKTTYPE:
        return code_.load(Width::word, into, kContext, context::kPacketType);
      case SKF_AD_IFINDEX:
        return code_.load(Width::word, into, kContext, context::kInterface);
      default:
        refuse(insn);
    }
  }

  void compute(const sock_filter& insn) {
    const auto operation = [&] {
      switch (BPF_OP(insn.code)) {
        case BPF_ADD:
          return Alu::add;
        case BPF_SUB:
          return Alu::sub;
        case BPF_MUL:
          return Alu::mul;
        case BPF_OR:
          return Alu::or_;
        case BPF_AND:
          return Alu::and_;
        case BPF_XOR:
          return Alu::xor_;
        case BPF_LSH:
          return Alu::lsh;
        case BPF_RSH:
          return Alu::rsh;
        default:
          refuse(insn);
      }
    }();
    if (BPF_SRC(insn.code) == BPF_X) return code_.alu32(operation, kAccumulator, kIndex);
    code_.alu32(operation, kAccumulator, insn.k);
  }

  void jump(const sock_filter& insn) {
    if (BPF_OP(insn.code) == BPF_JA) return code_.go_to(place(insn.k));
    const auto test = [&] {
      switch (BPF_OP(insn.code)) {
        case BPF_JEQ:
          return Test::eq;
        case BPF_JGT:
          return Test::gt;
        case BPF_JGE:
          return Test::ge;
        case BPF_JSET:
          return Test::set;
        default:
          refuse(insn);
      }
    }();
    if (BPF_SRC(insn.code) == BPF_X) {
      code_.jump_if(test, kAccumulator, kIndex, place(insn.jt));
    } else {
      code_.jump_if(test, kAccumulator, insn.k, place(insn.jt));
    }
    if (insn.jf != 0) code_.go_to(place(insn.jf));
  }

  [[nodiscard]] EbpfCode::Label place(std::size_t distance) const {
    return places_.at(at_ + 1 + distance);
  }

  void give_verdict(const sock_filter& insn) {
    if (BPF_RVAL(insn.code) != BPF_K) refuse(insn);
    if (insn.k == 0) return code_.exit_with(0);
    code_.go_to(accepted_);
  }

  EbpfCode& code_;
  std::span<const sock_filter> program_;
  const EbpfCode::Label accepted_;
  std::vector<EbpfCode::Label> places_;
  std::size_t at_ = 0;
};

}  // namespace

void append_classic(EbpfCode& code, std::span<const sock_filter> program,
                    EbpfCode::Label accepted) {
  Translation(code, program, accepted).run();
}

}  // namespace tcpeek::ring
