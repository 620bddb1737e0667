// The attempts that are pending where a capture file ends: the first dozen by their first SYN.
//
// Thread contract: a plain object of one thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "flowtable/attempt.h"
#include "ipc/explain.h"

namespace tcpeek::engine {

class PendingAttempts {
 public:
  static constexpr std::size_t kNamed = 12;

  PendingAttempts() { oldest_.reserve(kNamed + 1); }

  void add(const flowtable::Attempt& attempt) {
    if (oldest_.size() == kNamed && attempt.first_syn >= oldest_.back().first_syn) return;
    oldest_.insert(
        std::ranges::upper_bound(oldest_, attempt.first_syn, {}, &flowtable::Attempt::first_syn),
        attempt);
    if (oldest_.size() > kNamed) oldest_.pop_back();
  }
  void add(const PendingAttempts& others) {
    for (const flowtable::Attempt& attempt : others.oldest_) add(attempt);
  }

  // Packet time is the file's, and so wall-clock time.
  [[nodiscard]] std::vector<ipc::PendingAttempt> named() const;

 private:
  std::vector<flowtable::Attempt> oldest_;  // in the order of their first SYN
};

}  // namespace tcpeek::engine
