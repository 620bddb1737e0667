// Where the jumps of a program under construction lead: labels, each placed once, behind every jump to it.
//
// Thread contract: as a std::vector.
// Errors: std::logic_error for a jump that leads nowhere or back.
#pragma once

#include <cstddef>
#include <limits>
#include <stdexcept>
#include <vector>

namespace tcpeek::ring {

class JumpLabels {
 public:
  using Label = std::size_t;

  [[nodiscard]] Label make() {
    places_.push_back(kUnplaced);
    return places_.size() - 1;
  }
  // Before the instruction with this index.
  void place(Label label, std::size_t instruction) { places_.at(label) = instruction; }

  // How many instructions a jump skips.
  [[nodiscard]] std::size_t distance(std::size_t jump, Label label) const {
    const std::size_t target = places_.at(label);
    if (target == kUnplaced || target <= jump) throw std::logic_error("a BPF jump leads nowhere");
    return target - jump - 1;
  }

 private:
  static constexpr std::size_t kUnplaced = std::numeric_limits<std::size_t>::max();

  std::vector<std::size_t> places_;
};

}  // namespace tcpeek::ring
