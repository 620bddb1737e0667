#include "ring/bpf_code.h"

#include <limits>
#include <stdexcept>

namespace tcpeek::ring {

void BpfCode::add(std::uint16_t code, std::uint32_t k) {
  code_.push_back({code, 0, 0, k});
}

void BpfCode::jump(std::uint16_t code, std::uint32_t k, Label target, bool when_true) {
  jumps_.push_back({code_.size(), target, when_true});
  add(static_cast<std::uint16_t>(BPF_JMP | BPF_K | code), k);
}

void BpfCode::unless_equal(std::uint32_t k, Label otherwise) {
  jump(BPF_JEQ, k, otherwise, false);
}
void BpfCode::if_equal(std::uint32_t k, Label then) {
  jump(BPF_JEQ, k, then, true);
}
void BpfCode::if_any_bit(std::uint32_t mask, Label then) {
  jump(BPF_JSET, mask, then, true);
}

void BpfCode::go_to(Label label) {
  jumps_.push_back({code_.size(), label, true});
  add(BPF_JMP | BPF_JA);
}

void BpfCode::append(const std::vector<sock_filter>& program) {
  code_.insert(code_.end(), program.begin(), program.end());
}

std::vector<sock_filter> BpfCode::finish() const {
  std::vector<sock_filter> code = code_;
  for (const Jump& j : jumps_) {
    const std::size_t distance = labels_.distance(j.at, j.target);
    if (code[j.at].code == (BPF_JMP | BPF_JA)) {
      code[j.at].k = static_cast<std::uint32_t>(distance);
      continue;
    }
    if (distance > std::numeric_limits<std::uint8_t>::max()) {
      throw std::logic_error("BPF jump is too long");
    }
    (j.when_true ? code[j.at].jt : code[j.at].jf) = static_cast<std::uint8_t>(distance);
  }
  return code;
}

}  // namespace tcpeek::ring
