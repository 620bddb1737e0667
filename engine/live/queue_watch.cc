#include "engine/live/queue_watch.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

#include "engine/filters/address.h"

namespace tcpeek::engine {
namespace {

using ring::Listener;
using std::chrono::nanoseconds;
using std::chrono::seconds;

using Bytes = std::array<std::uint8_t, 16>;

constexpr Bytes kAny{};

std::pair<std::uint16_t, std::uint64_t> by_port(const Listener& listener) noexcept {
  return {listener.port, listener.cookie};
}

// Whose queue a SYN to this address goes to: 0 not this one's, else the highest.
unsigned fit(const Listener& listener, const Bytes& address) noexcept {
  if (listener.address == address) return 3;
  if (listener.address != kAny) return 0;
  const bool v4 = Address{address}.is_v4();
  if (listener.v4 == v4) return 2;
  return v4 ? 1 : 0;  // of IPv6, and open to IPv4
}

std::span<const Listener> listeners_on(const std::vector<Listener>& sorted, std::uint16_t port) {
  const auto begin = std::ranges::lower_bound(sorted, port, {}, &Listener::port);
  const auto end = std::ranges::upper_bound(sorted, port, {}, &Listener::port);
  return {begin, end};
}

// Ports that are confirmed first, then those where most are kept waiting.
auto importance(const ipc::QueueStats& port) noexcept {
  return std::tuple(port.verdict == ipc::QueueVerdict::confirmed, port.suspected, port.unanswered,
                    port.overflows_last_minute.value_or(0));
}

std::string name_of(const Listener& listener) {
  if (listener.address == kAny) return listener.v4 ? "0.0.0.0" : "::";
  return to_string(Address{listener.address});
}

}  // namespace

std::uint64_t QueueWatch::Trouble::overflows_in_all() const noexcept {
  return std::accumulate(overflows.begin(), overflows.end(), std::uint64_t{0});
}

void QueueWatch::look(const KernelQueues& now, Clock::time_point at) {
  turn(at);
  const bool counted_before = last_.has_value() && now.counters.has_value();
  const std::uint64_t overflows =
      counted_before ? now.counters->overflows - std::min(now.counters->overflows, last_->overflows)
                     : 0;
  std::vector<Listener> listeners = now.listeners;
  std::ranges::sort(listeners, {}, by_port);
  for (const Listener& listener : listeners) {
    const auto former = std::ranges::lower_bound(listeners_, by_port(listener), {}, by_port);
    const bool known = former != listeners_.end() && former->cookie == listener.cookie;
    const std::uint32_t dropped = listener.drops - (known ? former->drops : 0U);
    const bool counts = counted_before && listeners_known_;
    count(listener,
          counts ? std::optional(std::min<std::uint64_t>(dropped, overflows)) : std::nullopt, at);
  }
  listeners_ = std::move(listeners);
  listeners_known_ = now.listeners_known;
  last_ = now.counters;
  if (!first_) first_ = last_;
  if (!listeners_known_ || !last_) {
    known_since_.reset();
  } else if (!known_since_) {
    known_since_ = at;
  }
}

// Empties the seconds that have passed; what has had no trouble for a minute is over.
void QueueWatch::turn(Clock::time_point at) {
  const std::int64_t second = std::chrono::floor<seconds>(at.time_since_epoch()).count();
  const std::int64_t passed = std::min<std::int64_t>(second - second_, kWindow.count());
  for (auto& [cookie, trouble] : troubles_) {
    for (std::int64_t i = 0; i < passed; ++i) {
      trouble.overflows[static_cast<std::size_t>((second - i) % kWindow.count())] = 0;
    }
  }
  second_ = second;
  std::erase_if(troubles_, [&](const auto& each) { return at - each.second.last >= kWindow; });
}

void QueueWatch::count(const Listener& listener, const std::optional<std::uint64_t>& overflows,
                       Clock::time_point at) {
  const bool full = listener.full();
  if (!full && overflows.value_or(0) == 0) return;
  Trouble* const trouble = trouble_of(listener);
  if (trouble == nullptr) return;
  trouble->listener = listener;
  trouble->last = at;
  if (full) trouble->seen_full = at;
  trouble->overflows[static_cast<std::size_t>(second_ % kWindow.count())] +=
      static_cast<std::uint32_t>(overflows.value_or(0));
}

QueueWatch::Trouble* QueueWatch::trouble_of(const Listener& listener) {
  const auto it = troubles_.find(listener.cookie);
  if (it != troubles_.end()) return &it->second;
  if (troubles_.size() == kMostListeners) return nullptr;
  return &troubles_[listener.cookie];
}

void QueueWatch::judge(ipc::Queues& queues, Clock::time_point at, nanoseconds wall) const {
  queues.listeners_known = listeners_known_;
  queues.counters_known = last_.has_value();
  if (first_ && last_) {
    queues.listen_overflows = last_->overflows - first_->overflows;
    queues.listen_drops = last_->drops - first_->drops;
    queues.syn_queue_drops = last_->syn_queue_drops - first_->syn_queue_drops;
  }
  for (ipc::QueueStats& port : queues.ports) {
    port.suspected = port.answered_ever && port.unanswered >= kFew;
    const nanoseconds ago = wall - nanoseconds(port.first_unanswered);
    judge_port(port, at - std::chrono::duration_cast<Clock::duration>(ago));
  }
  add_unseen(queues);
  // One attempt alone is no reason to name a port.
  std::erase_if(queues.ports, [](const ipc::QueueStats& port) {
    return !port.suspected && port.verdict != ipc::QueueVerdict::confirmed;
  });
  std::ranges::stable_sort(queues.ports, std::ranges::greater(), importance);
  if (queues.ports.size() > ipc::Queues::kMost) {
    queues.ports_left_out += queues.ports.size() - ipc::Queues::kMost;
    queues.ports.resize(ipc::Queues::kMost);
  }
}

// `since`: the first attempt that was not answered.
void QueueWatch::judge_port(ipc::QueueStats& port, Clock::time_point since) const {
  if (!port.own || !listeners_known_) return;
  unsigned best = 0;
  for (const Listener& listener : listeners_on(listeners_, port.port)) {
    best = std::max(best, fit(listener, port.bytes));
  }
  for (const Listener& listener : listeners_on(listeners_, port.port)) {
    if (best == 0 || fit(listener, port.bytes) != best) continue;
    const bool fuller =
        !port.backlog_now || std::int64_t{listener.backlog} - listener.backlog_max >
                                 std::int64_t{*port.backlog_now} - *port.backlog_max;
    if (!fuller) continue;
    port.backlog_now = listener.backlog;
    port.backlog_max = listener.backlog_max;
  }
  bool full = false;
  std::uint64_t overflows = 0;
  for (const auto& [cookie, trouble] : troubles_) {
    const unsigned fits =
        trouble.listener.port == port.port ? fit(trouble.listener, port.bytes) : 0;
    if (fits == 0 || fits < best) continue;
    full = full || trouble.seen_full.has_value();
    overflows += trouble.overflows_in_all();
  }
  if (last_) port.overflows_last_minute = overflows;
  if (full || overflows != 0) {
    port.verdict = ipc::QueueVerdict::confirmed;
  } else if (known_since_ && *known_since_ <= since) {
    port.verdict = ipc::QueueVerdict::refuted;
  }
}

// Where the kernel dropped something and no SYN of it was seen to be repeated.
void QueueWatch::add_unseen(ipc::Queues& queues) const {
  const std::size_t seen = queues.ports.size();
  for (const auto& [cookie, trouble] : troubles_) {
    const std::uint64_t overflows = trouble.overflows_in_all();
    const Listener& listener = trouble.listener;
    const bool told =
        std::ranges::any_of(std::span(queues.ports).first(seen), [&](const ipc::QueueStats& port) {
          return port.own && port.port == listener.port && fit(listener, port.bytes) != 0;
        });
    if (told || overflows == 0) continue;
    queues.ports.push_back({.bytes = listener.address,
                            .address = name_of(listener),
                            .port = listener.port,
                            .own = true,
                            .verdict = ipc::QueueVerdict::confirmed,
                            .backlog_now = listener.backlog,
                            .backlog_max = listener.backlog_max,
                            .overflows_last_minute = overflows});
  }
}

}  // namespace tcpeek::engine
