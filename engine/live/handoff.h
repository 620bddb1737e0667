// One reader's side of the mail between readers: segments it captured that another reader owns go to
// that reader's mailbox; those mailed to it wait here until their time.
//
// Thread contract: used by one reader; the mailboxes are shared by their own rules (live/mailbox.h).
// Invariant: a mailed segment is taken in the order of time, however early it arrived.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/live/mailbox.h"
#include "engine/pipeline/flow_owner.h"
#include "flowtable/segment.h"
#include "ring/steering.h"

namespace tcpeek::engine {

class Handoff {
 public:
  // `mailboxes` has one for each reader, in order; they outlive this. `self` is whose side it is.
  Handoff(unsigned self, const ring::SteeringKey& steering,
          std::span<const std::unique_ptr<Mailbox>> mailboxes)
      : self_(self), steering_(steering), mailboxes_(mailboxes) {
    for (const auto& mailbox : mailboxes_) senders_.push_back(mailbox->add_sender());
  }

  // Whether it belongs to another reader; then it has been mailed, or found that mailbox full.
  [[nodiscard]] bool mail_if_foreign(const flowtable::Segment& segment) noexcept {
    const auto readers = static_cast<unsigned>(mailboxes_.size());
    if (readers == 1) return false;
    const unsigned owner = owner_of(segment.key, steering_, readers);
    if (owner == self_) return false;
    if (mailboxes_[owner]->send(senders_[owner], segment)) {
      ++mailed_;
    } else {
      ++refused_;
    }
    return true;
  }

  // Whether a mailed segment waits for its time.
  [[nodiscard]] bool waiting() noexcept {
    if (mailboxes_.size() == 1) return false;
    if (next_) return true;
    flowtable::Segment segment;
    if (!mailboxes_[self_]->receive(segment)) return false;
    next_ = segment;
    ++received_;
    return true;
  }
  [[nodiscard]] bool holds_one() const noexcept { return next_.has_value(); }

  // Calls fn(const Segment&) for each mailed segment up to that time.
  template <class Fn>
  void take_until(flowtable::PacketTime until, Fn&& fn) noexcept {
    while (waiting() && next_->time <= until) {
      fn(*next_);
      next_.reset();
    }
  }

  // Before and after a sleep from which mail has to wake. False: there is mail.
  [[nodiscard]] bool rest(const EventFd& wake) noexcept { return mailboxes_[self_]->rest(wake); }
  void rise() noexcept { mailboxes_[self_]->rise(); }
  [[nodiscard]] std::uint64_t mailed() const noexcept { return mailed_; }
  // Found no room in another's mailbox.
  [[nodiscard]] std::uint64_t refused() const noexcept { return refused_; }
  // What waits for its time still counts as in the mailbox.
  [[nodiscard]] std::uint64_t received() const noexcept { return received_ - (next_ ? 1 : 0); }
  // Segments of ours that found no room here.
  [[nodiscard]] std::uint64_t lost() const noexcept { return mailboxes_[self_]->refused(); }
  // Any thread's.
  [[nodiscard]] std::size_t depth() const noexcept { return mailboxes_[self_]->size(); }

 private:
  const unsigned self_;
  const ring::SteeringKey steering_;
  std::span<const std::unique_ptr<Mailbox>> mailboxes_;
  std::vector<Mailbox::Sender> senders_;    // to each mailbox
  std::optional<flowtable::Segment> next_;  // received, but later than what has been read
  std::uint64_t mailed_ = 0;
  std::uint64_t received_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace tcpeek::engine
