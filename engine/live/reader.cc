// The reader's loop. Its parts in the order of a packet's way: rings, decoding, mail, tracking;
// then what is done between batches: sweep, report, sleep.

#include "engine/live/reader.h"

#include <fmt/format.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <utility>

#include "engine/process/thread_advice.h"

namespace tcpeek::engine {
namespace {

using flowtable::PacketTime;
using flowtable::Segment;
using std::chrono::milliseconds;

// Packets read at once, and what is left of a block; bounds how long reports and sweeps wait under load.
constexpr std::size_t kPacketsAtOnce = 4096;
// A slice of the sweep: up to 1,280 attempts, a quarter of a millisecond if all of them end.
constexpr std::size_t kSweepSlice = 128;
constexpr milliseconds kLossInterval{50};
constexpr milliseconds kDrainDeadline{500};
// While attempts are pending: losses are looked for and deadlines swept.
constexpr milliseconds kPace{50};
// While attempts are only remembered: how late they are forgotten.
constexpr milliseconds kForgetting{10'000};
constexpr milliseconds kUntilWoken{-1};
// A sleeper runs again so soon after the first packet that wakes it.
constexpr milliseconds kWaking{500};

bool checksum_waived(std::uint32_t status) noexcept {
  return (status & (TP_STATUS_CSUMNOTREADY | TP_STATUS_CSUM_VALID)) != 0;
}

// Except SIGSYS for a refused system call, which is handled in the thread that made it.
void block_all_signals() noexcept {
  sigset_t all;
  ::sigfillset(&all);
  ::sigdelset(&all, SIGSYS);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace

Reader::Reader(const ReaderConfig& config, std::vector<FramedSocket> sources,
               std::unique_ptr<ReaderRules> rules,
               std::span<const std::unique_ptr<Mailbox>> mailboxes, const EventFd& report_ready,
               SocketCloser& closer)
    : config_(config),
      report_ready_(report_ready),
      closer_(closer),
      rules_(std::move(rules)),
      outcomes_(config.queue_outcomes),
      rings_(std::move(sources), config.ring_retire),
      handoff_(config.id, config.steering, mailboxes),
      timeline_(config.start),
      counter_(rules_, outcomes_, timeline_) {
  report_.outcomes = counter_.counts();
  report_.generation = counter_.generation();
  report_.sockets.resize(rings_.size());
}

Reader::~Reader() {
  stop();
  join();
  release_sockets();  // of one that never ran
}

void Reader::start(std::latch& last_mailed) {
  std::promise<void> started;
  started_ = started.get_future();
  try {
    thread_ = std::thread(
        [this, &last_mailed](std::promise<void> promise) { run(std::move(promise), last_mailed); },
        std::move(started));
  } catch (const std::system_error& e) {
    last_mailed.count_down();
    throw std::runtime_error(fmt::format("cannot start the thread of reader {}: {}{}", config_.id,
                                         e.code().message(), thread_start_advice(e.code())));
  } catch (const std::bad_alloc&) {
    last_mailed.count_down();
    throw;
  }
}

bool Reader::started(milliseconds within) {
  if (started_.wait_for(within) != std::future_status::ready) return false;
  try {
    started_.get();
  } catch (...) {
    await_last_report();  // so that the reader has released the exception before anyone examines it
    throw;
  }
  return true;
}

void Reader::stop() noexcept {
  stopping_.store(true, std::memory_order_release);
  wake_.notify();
}

void Reader::await_last_report() const noexcept {
  if (thread_.joinable()) reported_last_.wait(false, std::memory_order_acquire);
}

void Reader::join() {
  if (thread_.joinable()) thread_.join();
}

std::unique_ptr<FramedSocket> Reader::replace(std::size_t source, FramedSocket next) {
  auto untaken = rings_.replace(source, std::move(next));
  wake_.notify();
  return untaken;
}

std::unique_ptr<FramedSocket> Reader::collect(std::size_t source) {
  auto replaced = rings_.collect(source);
  if (replaced) wake_.notify();  // another may have been offered meanwhile
  return replaced;
}

void Reader::request_report() noexcept {
  requested_.fetch_add(1, std::memory_order_release);
  wake_.notify();
}

void Reader::ask_top(const TopQuery& query) {
  top_.ask(query);
  wake_.notify();
}

const TopReport& Reader::answer_at_once(const TopQuery& query) {
  const auto work = [this] { return top_.work(counter_.top(), timeline_, timeline_.now()); };
  while (work()) {  // what it was asked before
  }
  top_.ask(query);
  while (work()) {
  }
  return top_.report();
}

void Reader::pin() {
  if (!config_.cpu) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(*config_.cpu, &set);
  const int error = ::pthread_setaffinity_np(::pthread_self(), sizeof set, &set);
  // The kernel itself never refuses a thread's own affinity with this error: a system call filter did.
  if (error == EPERM) return;
  if (error != 0) {
    throw std::system_error(
        error, std::generic_category(),
        "pinning reader " + std::to_string(config_.id) + " to CPU " + std::to_string(*config_.cpu));
  }
  cpu_ = config_.cpu;
}

void Reader::run(std::promise<void> started, std::latch& last_mailed) noexcept {
  if (set_up(std::move(started))) {
    read_until_stopped(last_mailed);
  } else {
    last_mailed.count_down();
  }
  release_sockets();
  reported_last_.store(true, std::memory_order_release);
  reported_last_.notify_all();
  // Side by side here: the kernel takes long for both.
  pipeline_.reset();
  closer_.help();
}

bool Reader::set_up(std::promise<void> started) noexcept {
  try {
    block_all_signals();
    pin();
    pipeline_ = std::make_unique<Pipeline>(config_.tracker, config_.decoding, counter_);
    if (config_.sandbox != nullptr) config_.sandbox->enter(Role::reader);
  } catch (...) {
    started.set_exception(std::current_exception());
    return false;
  }
  timeline_.observe(read_clocks());
  looked_for_loss_at_ = timeline_.now();
  sweep_pace_ = SweepPace(timeline_.now());
  started.set_value();
  return true;
}

void Reader::read_until_stopped(std::latch& last_mailed) noexcept {
  while (!stopping_.load(std::memory_order_acquire)) {
    if (!poll_once()) wait();
  }
  drain();
  last_mailed.arrive_and_wait();
  track_mailed(PacketTime::max());
  pipeline_->tracker().settle_errors(timeline_.now());
  write_report();
}

void Reader::release_sockets() noexcept {
  rings_.release([this](ring::PacketSocket socket) { closer_.add(std::move(socket)); });
}

bool Reader::poll_once() noexcept {
  timeline_.observe(read_clocks());
  counter_.pick_up_rules();
  rings_.go_over();
  const bool read = read_rings();
  look_for_loss();
  const bool behind = sweep();
  note_changes();
  report_if_wanted();
  const bool asked = top_.work(counter_.top(), timeline_, timeline_.now());
  const bool growing = growth_.work(pipeline_->tracker(), timeline_.now());
  return read || behind || asked || growing;
}

bool Reader::read_rings() noexcept {
  const std::size_t packets =
      rings_.read(timeline_, kPacketsAtOnce,
                  [this](const ring::RingPacket& packet, flowtable::LinkFraming framing) {
                    take(packet, framing);
                  });
  pipeline_->track();
  if (packets >= kPacketsAtOnce) return true;
  // Everything older has been handed over by now.
  const PacketTime settled = rings_.settled(timeline_);
  if (!rings_.holding_packets()) read_until_ = std::max(read_until_, settled);
  track_mailed(settled);
  return packets > 0;
}

void Reader::take(const ring::RingPacket& packet, flowtable::LinkFraming framing) noexcept {
  const std::chrono::nanoseconds stamp(packet.time_ns);
  // Held up since the round began, as by a virtual machine that was stopped.
  if (timeline_.is_ahead(stamp)) [[unlikely]]
    timeline_.observe(read_clocks());
  read_until_ = timeline_.at(stamp);
  // A mailed segment waits for its place in time.
  if (handoff_.waiting()) track_mailed(read_until_);
  const flowtable::Frame frame{
      .bytes = packet.bytes,
      .wire_length = packet.wire_length,
      .ethertype = packet.protocol,
      .checksum_waived = checksum_waived(packet.status),
      .interface = packet.interface,
      .time = read_until_,
  };
  const Segment* segment = pipeline_->decode(framing, frame);
  if (segment != nullptr && !handoff_.mail_if_foreign(*segment)) pipeline_->keep();
}

void Reader::track_mailed(PacketTime until) noexcept {
  handoff_.take_until(until, [this](const Segment& segment) { pipeline_->track(segment); });
}

// Checked often enough that a loss is known before an attempt that it may have affected can time out.
void Reader::look_for_loss() noexcept {
  const PacketTime now = timeline_.now();
  if (now - looked_for_loss_at_ < kLossInterval) return;
  looked_for_loss_at_ = now;
  const std::uint64_t lost = handoff_.lost() + rings_.lost();
  // Some may have been lost since `now`.
  if (lost != lost_) {
    pipeline_->tracker().note_loss(std::max(now, timeline_.of(read_clocks().monotonic)));
  }
  lost_ = lost;
}

bool Reader::sweep() noexcept {
  const auto& table = pipeline_->tracker().table();
  if (table.pending() == 0 && table.remembered() == 0) {
    sweep_pace_ = SweepPace(timeline_.now());
    return false;
  }
  const std::size_t groups = table.group_count();
  const std::size_t due = sweep_pace_.due(timeline_.now(), groups);
  if (due == 0) return false;
  const std::size_t slice = std::min(due, kSweepSlice);
  pipeline_->tracker().sweep(read_until_, slice);
  sweep_pace_.swept(slice, groups);
  return due > slice;
}

milliseconds Reader::poll_timeout() const noexcept {
  if (handoff_.holds_one() || rings_.holding_packets()) return config_.ring_retire / 2;
  const auto& table = pipeline_->tracker().table();
  const bool stopping = stopping_.load(std::memory_order_relaxed);
  if (stopping || rings_.exchanging() || table.pending() != 0) return kPace;
  return table.remembered() != 0 ? kForgetting : kUntilWoken;
}

void Reader::wait() noexcept {
  std::array<pollfd, RingMerger::kMostSources + 1> polled;
  const std::size_t sources =
      rings_.poll_entries(std::span(polled).first(RingMerger::kMostSources));
  polled[sources] = {wake_.descriptor(), POLLIN, 0};
  const milliseconds timeout = poll_timeout();
  const bool sleeps = timeout == kForgetting || timeout == kUntilWoken;
  if (sleeps && !handoff_.rest(wake_)) return;
  const int ready = ::poll(polled.data(), sources + 1, static_cast<int>(timeout.count()));
  if (sleeps) {
    handoff_.rise();
    timeline_.captured_nothing_until(read_clocks().monotonic - kWaking);
  }
  if (ready <= 0) return;
  if (polled[sources].revents != 0) wake_.clear();
  rings_.take_errors(std::span(polled).first(sources));
}

void Reader::drain() noexcept {
  rings_.reject_all();
  const auto deadline = read_clocks().monotonic + kDrainDeadline;
  while (!rings_.drained() && read_clocks().monotonic < deadline) {
    if (!poll_once()) wait();
  }
  look_for_loss();
}

Reader::Progress Reader::progress() const noexcept {
  const auto& table = pipeline_->tracker().table();
  return {.delivered = rings_.delivered(),
          .mailed_in = handoff_.received(),
          .attempts = counter_.attempts(),
          .pending = table.pending(),
          .remembered = table.remembered(),
          .stray_syns = pipeline_->tracker().counts().stray_syns,
          .generation = counter_.generation()};
}

void Reader::note_changes() noexcept {
  const Progress now = progress();
  if (now == seen_) return;
  seen_ = now;
  changed_.store(true, std::memory_order_release);
  if (outcomes_.pushed() == pushed_seen_) return;
  pushed_seen_ = outcomes_.pushed();
  // Exchanged rather than loaded: either the reactor sees the outcome, or we see that it has looked.
  if (!outcomes_told_.exchange(true)) outcomes_ready_.notify();
}

void Reader::report_if_wanted() noexcept {
  const std::uint64_t wanted = requested_.load(std::memory_order_acquire);
  if (reported_.load(std::memory_order_relaxed) == wanted) return;
  write_report();
  reported_.store(wanted, std::memory_order_release);
  report_ready_.notify();
}

void Reader::write_report() noexcept {
  counter_.report_to(report_.outcomes);
  report_.generation = counter_.generation();
  report_.tracker = pipeline_->tracker().counts();
  report_.undecoded = pipeline_->undecoded();
  for (std::size_t i = 0; i < rings_.size(); ++i) report_.sockets[i] = rings_.statistics(i);
  counter_.top().queue_signs().report_to(report_.queue_signs, timeline_.now());
  report_.queue_signs.wall_offset = timeline_.wall(flowtable::PacketTime()).count();
  report_.delivered = rings_.delivered();
  report_.unreadable = rings_.unreadable();
  report_.mailed_out = handoff_.mailed();
  report_.mailed_in = handoff_.received();
  report_.mailbox_full = handoff_.refused();
  report_.pending = pipeline_->tracker().table().pending();
  report_.remembered = pipeline_->tracker().table().remembered();
  report_.capacity = pipeline_->tracker().table().capacity();
  // Signs are left out of a report when they are old.
  changed_.store(report_.queue_signs.count != 0, std::memory_order_release);
}

}  // namespace tcpeek::engine
