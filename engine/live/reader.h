// One reader: a pinned thread with its rings, its flow table and its counters. It shares nothing on
// the packet path; it hands its counts to the reactor in a report, on request, between two batches.
//
// A reader with nothing to do sleeps until packets, mail or the reactor wake it, and its last report stays
// true: the reactor need not ask again until report_current() says otherwise.
//
// The loop, poll_once(): check the clocks; read packets of all rings in the order of their time
// (live/ring_merger.h); decode, mail what belongs to another reader (live/handoff.h), track in batches;
// then a slice of the sweep, the report if wanted. With nothing to read it sleeps in poll(),
// level-triggered.
//
// The sweep covers the table once a second in slices too small to hold up reading. It uses the
// time of the packets read, or of the clock once the rings were found empty: a backlog is never
// mistaken for silence.
//
// Thread contract: start(), stop(), request_report(), report() and the queues' far ends are the
// reactor's thread's; everything under "the reader's" is touched by its thread alone between
// start() and join().
// Errors: started() throws what kept the reader from starting (std::system_error).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>
#include <latch>
#include <memory>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "engine/base/event_fd.h"
#include "engine/base/handover.h"
#include "engine/live/handoff.h"
#include "engine/live/ring_merger.h"
#include "engine/live/socket_closer.h"
#include "engine/live/sweep_pace.h"
#include "engine/live/table_growth.h"
#include "engine/pipeline/outcome_counter.h"
#include "engine/pipeline/pipeline.h"
#include "engine/pipeline/top_exchange.h"
#include "engine/process/sandbox.h"

namespace tcpeek::engine {

struct ReaderConfig {
  unsigned id = 0;
  std::optional<unsigned> cpu;  // to run on
  flowtable::TrackerConfig tracker;
  flowtable::DecodeRules decoding{};
  ring::SteeringKey steering;
  std::chrono::milliseconds ring_retire{10};
  bool queue_outcomes = false;
  ClockReading start;
  const Sandbox* sandbox = nullptr;  // to enter, if there is one
};

class Reader {
 public:
  // `mailboxes` has one for each reader, in order; they and the others outlive the reader. `closer` gets
  // its sockets at the end.
  Reader(const ReaderConfig& config, std::vector<FramedSocket> sources,
         std::unique_ptr<ReaderRules> rules, std::span<const std::unique_ptr<Mailbox>> mailboxes,
         const EventFd& report_ready, SocketCloser& closer);
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // Begins to read. All readers given the same latch stop together: none reads its mailbox for the
  // last time before all have mailed their last. One whose start fails does not hold them up.
  void start(std::latch& last_mailed);
  // Whether it has started, or failed to, within that time; throws what failed.
  [[nodiscard]] bool started(std::chrono::milliseconds within);

  // Stops capturing, reads what was captured until now, makes a last report, gives its memory back and
  // helps to close sockets, which takes the kernel long.
  void stop() noexcept;
  // Until it has made its last report, or has failed to start; its sockets are the closer's then.
  void await_last_report() const noexcept;
  void join();

  void request_report() noexcept;
  [[nodiscard]] bool report_ready() const noexcept {
    return reported_.load(std::memory_order_acquire) == requested_.load(std::memory_order_relaxed);
  }
  // ... and the last report tells all that it would tell now.
  [[nodiscard]] bool report_current() const noexcept {
    return report_ready() && !changed_.load(std::memory_order_acquire);
  }
  // Valid while report_ready(), until the next request.
  [[nodiscard]] const ReaderReport& report() const noexcept { return report_; }

  // Something that another thread changed is to be looked at.
  void wake() const noexcept { wake_.notify(); }

  // Readable when there are outcomes in a queue that had been taken from; take_notice() before taking from it.
  [[nodiscard]] int outcomes_descriptor() const noexcept { return outcomes_ready_.descriptor(); }
  void take_notice() noexcept {
    outcomes_ready_.clear();
    outcomes_told_.exchange(false);
  }

  // Precondition: top().ready().
  void ask_top(const TopQuery& query);
  [[nodiscard]] const TopExchange& top() const noexcept { return top_; }
  // The answer of one that has stopped, in the caller's thread.
  [[nodiscard]] const TopReport& answer_at_once(const TopQuery& query);

  [[nodiscard]] Handover<ReaderRules>& rules() noexcept { return rules_; }
  // Continues with another socket on this interface, which was deleted and recreated. Returns the one
  // offered before, if the reader has not taken it yet.
  std::unique_ptr<FramedSocket> replace(std::size_t source, FramedSocket next);
  // The socket that was replaced, once the reader is done with it.
  [[nodiscard]] std::unique_ptr<FramedSocket> collect(std::size_t source);
  [[nodiscard]] OutcomeQueue& outcomes() noexcept { return outcomes_; }
  [[nodiscard]] unsigned id() const noexcept { return config_.id; }
  // The one it is pinned to, once it has started; none where a sandbox forbids pinning.
  [[nodiscard]] std::optional<unsigned> cpu() const noexcept { return cpu_; }
  [[nodiscard]] std::size_t mailbox_depth() const noexcept { return handoff_.depth(); }

 private:
  // What is different whenever a report would be: each packet, each beginning of an attempt, each end. Where a
  // sweep ends one and another takes its place at once, the table has as many as before.
  struct Progress {
    std::uint64_t delivered = 0;
    std::uint64_t mailed_in = 0;
    std::uint64_t attempts = 0;
    std::uint64_t pending = 0;
    std::uint64_t remembered = 0;
    std::uint64_t stray_syns = 0;  // the sweep counts some
    std::uint32_t generation = 0;
    bool operator==(const Progress&) const = default;
  };

  // The reader's.
  [[nodiscard]] Progress progress() const noexcept;
  void run(std::promise<void> started, std::latch& last_mailed) noexcept;
  [[nodiscard]] bool set_up(std::promise<void> started) noexcept;
  void read_until_stopped(std::latch& last_mailed) noexcept;
  void release_sockets() noexcept;
  void pin();
  bool poll_once() noexcept;  // true if there was work: do not sleep
  bool read_rings() noexcept;
  void take(const ring::RingPacket& packet, flowtable::LinkFraming framing) noexcept;
  void track_mailed(flowtable::PacketTime until) noexcept;
  bool sweep() noexcept;  // true if more is due
  void look_for_loss() noexcept;
  void wait() noexcept;
  [[nodiscard]] std::chrono::milliseconds poll_timeout() const noexcept;
  void note_changes() noexcept;
  void drain() noexcept;
  void report_if_wanted() noexcept;
  void write_report() noexcept;

  const ReaderConfig config_;
  std::optional<unsigned> cpu_;
  const EventFd& report_ready_;
  SocketCloser& closer_;

  // Shared with the reactor, each by its own rule.
  Handover<ReaderRules> rules_;
  OutcomeQueue outcomes_;
  RingMerger rings_;
  Handoff handoff_;
  EventFd wake_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> reported_last_{false};
  std::atomic<std::uint64_t> requested_{0};
  std::atomic<std::uint64_t> reported_{0};
  ReaderReport report_;
  std::atomic<bool> changed_{true};  // since report_
  EventFd outcomes_ready_;
  std::atomic<bool> outcomes_told_{false};
  TopExchange top_;
  std::future<void> started_;

  // The reader's.
  PacketTimeline timeline_;
  OutcomeCounter counter_;
  std::unique_ptr<Pipeline> pipeline_;  // made by the reader's thread, so that its memory is near
  flowtable::PacketTime read_until_{};  // every packet before has been read
  SweepPace sweep_pace_;
  TableGrowth growth_;
  std::uint64_t lost_ = 0;  // packets known to be lost
  Progress seen_;           // when note_changes() last looked
  std::uint64_t pushed_seen_ = 0;
  flowtable::PacketTime looked_for_loss_at_{};

  std::thread thread_;
};

}  // namespace tcpeek::engine
