// A small assembler for classic BPF: instructions appended in order, forward jumps by label.
//
// Thread contract: built by one thread at start.
// Precondition: a jump leads forward, and a conditional one 255 instructions at most (classic BPF has
// 8-bit offsets); finish() checks it.
// Source: Linux Documentation/networking/filter.rst.
#pragma once

#include <linux/filter.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ring/jump_labels.h"

namespace tcpeek::ring {

class BpfCode {
 public:
  using Label = JumpLabels::Label;

  [[nodiscard]] Label new_label() { return labels_.make(); }
  void place(Label label) { labels_.place(label, code_.size()); }

  void add(std::uint16_t code, std::uint32_t k = 0);
  // Goes to `otherwise` unless the accumulator equals `k`; else goes on.
  void unless_equal(std::uint32_t k, Label otherwise);
  void if_equal(std::uint32_t k, Label then);
  void if_any_bit(std::uint32_t mask, Label then);
  // However far it is.
  void go_to(Label label);
  void append(const std::vector<sock_filter>& program);

  // Resolves the jumps. Throws std::logic_error if one leads nowhere or too far.
  [[nodiscard]] std::vector<sock_filter> finish() const;

 private:
  struct Jump {
    std::size_t at;
    Label target;
    bool when_true;
  };
  void jump(std::uint16_t code, std::uint32_t k, Label target, bool when_true);

  std::vector<sock_filter> code_;
  std::vector<Jump> jumps_;
  JumpLabels labels_;
};

}  // namespace tcpeek::ring
