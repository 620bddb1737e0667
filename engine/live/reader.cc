// The reader's loop. Its parts in the order of a packet's way: rings, decoding, mail, tracking;
// then what is done between batches: sweep, report, sleep.

#include "engine/live/reader.h"

#include <linux/if_packet.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "engine/pipeline/flow_owner.h"
#include "ring/capture_filter.h"

namespace tcpeek::engine {
namespace {

using flowtable::PacketTime;
using flowtable::Segment;
using std::chrono::milliseconds;

// Packets of one turn, and what is left of a block; bounds how long reports and sweeps wait under load.
constexpr std::size_t kTurnPackets = 4096;
// A slice of the sweep: 5,120 attempts, well under a millisecond even if all of them end.
constexpr std::size_t kSweepSlice = 512;
constexpr milliseconds kLossInterval{50};
constexpr milliseconds kDrainDeadline{500};

// Blocks reach us this much later than their first packet at most: the retire timeout, once more
// for kernels that count it in jiffies.
milliseconds settling(const ReaderConfig& config) noexcept {
  return 2 * config.ring_retire;
}

bool checksum_waived(std::uint32_t status) noexcept {
  return (status & (TP_STATUS_CSUMNOTREADY | TP_STATUS_CSUM_VALID)) != 0;
}

// But that of a refused system call, which is told where it was made.
void block_all_signals() noexcept {
  sigset_t all;
  ::sigfillset(&all);
  ::sigdelset(&all, SIGSYS);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace

Reader::Reader(ReaderConfig config, std::vector<FramedSocket> sources, const FilterMatcher& matcher,
               Locality locality, std::span<const std::unique_ptr<Mailbox>> mailboxes,
               const EventFd& report_ready)
    : config_(config),
      mailboxes_(mailboxes),
      report_ready_(report_ready),
      locality_(std::make_unique<const Locality>(std::move(locality))),
      outcomes_(config.tell_outcomes),
      timeline_(config.start),
      counter_(matcher, locality_, outcomes_, timeline_) {
  for (FramedSocket& source : sources) sources_.emplace_back(std::move(source));
  for (const auto& mailbox : mailboxes_) slips_.push_back(mailbox->slip());
  report_.outcomes.filters.resize(matcher.counted().size());
  report_.sockets.resize(sources_.size());
}

Reader::~Reader() {
  stop();
  join();
}

void Reader::start(std::latch& last_sent) {
  std::optional<std::promise<void>> started;
  std::future<void> ready;
  try {
    ready = started.emplace().get_future();
    thread_ = std::thread([this, &started, &last_sent] { run(*started, last_sent); });
  } catch (const std::system_error& e) {
    last_sent.count_down();
    throw std::system_error(e.code(), "starting the thread of reader " +
                                          std::to_string(config_.id) +
                                          " (tasks are limited by ulimit -u and TasksMax=)");
  } catch (const std::bad_alloc&) {
    last_sent.count_down();
    throw;
  }
  try {
    ready.get();
  } catch (...) {
    join();  // so that the reader has let go of the exception before anyone looks at it
    throw;
  }
}

void Reader::stop() noexcept {
  stopping_.store(true, std::memory_order_release);
  wake_.notify();
}

void Reader::join() {
  if (thread_.joinable()) thread_.join();
}

std::unique_ptr<FramedSocket> Reader::replace(std::size_t source, FramedSocket next) {
  auto untaken = sources_[source].offer(std::move(next));
  wake_.notify();
  return untaken;
}

void Reader::request_report() noexcept {
  requested_.fetch_add(1, std::memory_order_release);
  wake_.notify();
}

void Reader::pin() {
  if (!config_.cpu) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(*config_.cpu, &set);
  const int error = ::pthread_setaffinity_np(::pthread_self(), sizeof set, &set);
  // The kernel itself never refuses a thread's own affinity so: a system call filter did.
  if (error == EPERM) return;
  if (error != 0) {
    throw std::system_error(
        error, std::generic_category(),
        "pinning reader " + std::to_string(config_.id) + " to CPU " + std::to_string(*config_.cpu));
  }
  cpu_ = config_.cpu;
}

void Reader::run(std::promise<void>& started, std::latch& last_sent) noexcept {
  try {
    block_all_signals();
    pin();
    pipeline_ = std::make_unique<Pipeline>(config_.tracker, config_.verify, counter_);
    if (config_.sandbox != nullptr) config_.sandbox->enter(Role::reader);
  } catch (...) {
    last_sent.count_down();
    started.set_exception(std::current_exception());
    return;
  }
  timeline_.observe(read_clocks());
  looked_for_loss_at_ = timeline_.now();
  sweep_pace_ = SweepPace(timeline_.now());
  started.set_value();

  while (!stopping_.load(std::memory_order_acquire)) {
    if (!turn()) wait();
  }
  drain();
  last_sent.arrive_and_wait();
  read_letters(PacketTime::max());
  write_report();
}

bool Reader::turn() noexcept {
  timeline_.observe(read_clocks());
  static_cast<void>(locality_.pick_up());
  for (ReaderSource& source : sources_) source.go_over();
  const bool read = read_rings();
  look_for_loss();
  const bool behind = sweep();
  report_if_wanted();
  return read || behind;
}

// The source whose packet is next in time, if it is certain that no other will show an earlier one.
ReaderSource* Reader::earliest() noexcept {
  ReaderSource* first = nullptr;
  bool silent = false;
  for (ReaderSource& source : sources_) {
    if (!source.cursor().fill(source.socket().ring())) {
      silent = true;
      continue;
    }
    if (first == nullptr || source.cursor().packet().time_ns < first->cursor().packet().time_ns) {
      first = &source;
    }
  }
  if (first == nullptr || !silent) return first;
  const PacketTime at = timeline_.at(std::chrono::nanoseconds(first->cursor().packet().time_ns));
  return at <= timeline_.now() - settling(config_) ? first : nullptr;
}

std::size_t Reader::read_merged() noexcept {
  std::size_t packets = 0;
  while (packets < kTurnPackets) {
    ReaderSource* const source = earliest();
    if (source == nullptr) break;
    take(source->cursor().packet(), source->link());
    source->cursor().consume();
    ++packets;
  }
  return packets;
}

std::size_t Reader::read_alone() noexcept {
  std::size_t packets = 0;
  while (packets < kTurnPackets) {
    ReaderSource& source = sources_.front();
    const flowtable::LinkFraming link = source.link();
    const std::size_t taken = source.cursor().take_block(
        source.socket().ring(), [&](const ring::RingPacket& packet) { take(packet, link); });
    if (taken == 0) break;
    packets += taken;
  }
  return packets;
}

bool Reader::read_rings() noexcept {
  const std::size_t packets = sources_.size() == 1 ? read_alone() : read_merged();
  pipeline_->track();
  if (packets >= kTurnPackets) return true;
  // Everything older has been handed over by now.
  const PacketTime settled = timeline_.now() - settling(config_);
  if (!holding_packets()) read_until_ = std::max(read_until_, settled);
  read_letters(settled);
  return packets > 0;
}

void Reader::take(const ring::RingPacket& packet, flowtable::LinkFraming link) noexcept {
  read_until_ = timeline_.at(std::chrono::nanoseconds(packet.time_ns));
  // A letter waits for its place in time.
  if (letter_waiting()) read_letters(read_until_);
  const flowtable::Frame frame{
      .bytes = packet.bytes,
      .wire_length = packet.wire_length,
      .ethertype = packet.protocol,
      .checksum_waived = checksum_waived(packet.status),
      .interface = packet.interface,
      .time = read_until_,
  };
  const Segment* segment = pipeline_->decode(link, frame);
  if (segment != nullptr && !mail_if_foreign(*segment)) pipeline_->keep();
}

bool Reader::mail_if_foreign(const Segment& segment) noexcept {
  const auto readers = static_cast<unsigned>(mailboxes_.size());
  if (readers == 1) return false;
  const unsigned owner = owner_of(segment.key, config_.steering, readers);
  if (owner == config_.id) return false;
  if (mailboxes_[owner]->send(slips_[owner], segment)) {
    ++mailed_out_;
  } else {
    ++mailbox_full_;
  }
  return true;
}

bool Reader::letter_waiting() noexcept {
  if (mailboxes_.size() == 1) return false;
  if (letter_) return true;
  Segment letter;
  if (!mailboxes_[config_.id]->receive(letter)) return false;
  letter_ = letter;
  ++mailed_in_;
  return true;
}

void Reader::read_letters(PacketTime until) noexcept {
  while (letter_waiting() && letter_->time <= until) {
    pipeline_->track(*letter_);
    letter_.reset();
  }
}

// Asked often enough that a loss is known before an attempt that it may have hit can time out.
void Reader::look_for_loss() noexcept {
  const PacketTime now = timeline_.now();
  if (now - looked_for_loss_at_ < kLossInterval) return;
  looked_for_loss_at_ = now;
  std::uint64_t lost = mailboxes_[config_.id]->refused();
  for (ReaderSource& source : sources_) {
    lost += source.statistics().dropped + source.cursor().unreadable();
  }
  if (lost != lost_) pipeline_->tracker().note_loss(now);
  lost_ = lost;
}

bool Reader::sweep() noexcept {
  const std::size_t groups = pipeline_->tracker().table().group_count();
  const std::size_t due = sweep_pace_.due(timeline_.now(), groups);
  if (due == 0) return false;
  const std::size_t slice = std::min(due, kSweepSlice);
  pipeline_->tracker().sweep(read_until_, slice);
  sweep_pace_.swept(slice, groups);
  return due > slice;
}

bool Reader::holding_packets() const noexcept {
  return std::any_of(sources_.begin(), sources_.end(),
                     [](const ReaderSource& source) { return source.cursor().filled(); });
}

milliseconds Reader::patience() const noexcept {
  if (letter_ || holding_packets()) return config_.ring_retire / 2;
  const auto& table = pipeline_->tracker().table();
  const bool idle = table.pending() == 0 && table.remembered() == 0 && mailboxes_.size() == 1;
  return idle ? milliseconds(500) : milliseconds(50);
}

void Reader::wait() noexcept {
  constexpr std::size_t kMostSources = 64;
  std::array<pollfd, kMostSources + 1> polled;
  const std::size_t sources = std::min(sources_.size(), kMostSources);
  for (std::size_t i = 0; i < sources; ++i) {
    // A ring whose block we hold stays readable: it is not asked.
    const short wanted = sources_[i].cursor().filled() ? 0 : POLLIN;
    polled[i] = {sources_[i].socket().descriptor(), wanted, 0};
  }
  polled[sources] = {wake_.descriptor(), POLLIN, 0};
  const int ready = ::poll(polled.data(), sources + 1, static_cast<int>(patience().count()));
  if (ready <= 0) return;
  if (polled[sources].revents != 0) wake_.clear();
  for (std::size_t i = 0; i < sources; ++i) {
    if ((polled[i].revents & POLLERR) != 0) static_cast<void>(sources_[i].socket().take_error());
  }
}

bool Reader::rings_drained() noexcept {
  return std::all_of(sources_.begin(), sources_.end(),
                     [](ReaderSource& source) { return source.drained(); });
}

void Reader::drain() noexcept {
  for (ReaderSource& source : sources_) {
    try {
      source.socket().set_filter(ring::reject_all());
    } catch (const std::exception&) {
      // No memory for the program, or the kernel refuses it: then the deadline ends it.
    }
  }
  const auto deadline = read_clocks().monotonic + kDrainDeadline;
  while (!rings_drained() && read_clocks().monotonic < deadline) {
    if (!turn()) wait();
  }
  look_for_loss();
}

void Reader::report_if_wanted() noexcept {
  const std::uint64_t wanted = requested_.load(std::memory_order_acquire);
  if (reported_.load(std::memory_order_relaxed) == wanted) return;
  write_report();
  reported_.store(wanted, std::memory_order_release);
  report_ready_.notify();
}

void Reader::write_report() noexcept {
  report_.outcomes = counter_.counts();
  report_.tracker = pipeline_->tracker().counts();
  report_.undecoded = pipeline_->undecoded();
  report_.delivered = report_.unreadable = 0;
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    report_.sockets[i] = sources_[i].statistics();
    report_.delivered += sources_[i].delivered();
    report_.unreadable += sources_[i].cursor().unreadable();
  }
  report_.mailed_out = mailed_out_;
  // A letter that waits for its place in time still is in the mailbox.
  report_.mailed_in = mailed_in_ - (letter_ ? 1 : 0);
  report_.mailbox_full = mailbox_full_;
  report_.pending = pipeline_->tracker().table().pending();
  report_.remembered = pipeline_->tracker().table().remembered();
  report_.capacity = pipeline_->tracker().table().capacity();
}

}  // namespace tcpeek::engine
