#include "engine/replay_run.h"

#include <fmt/format.h>

#include <chrono>
#include <random>

#include "engine/base/text.h"
#include "engine/config/tracker_settings.h"
#include "engine/output/summary.h"
#include "engine/pipeline/snapshot_builder.h"

namespace tcpeek::engine {
namespace {

using flowtable::PacketTime;
using ring::SavedPacket;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using std::chrono::system_clock;

// Once interrupted, for a reader that is slow or has stopped reading; three times at most.
constexpr std::chrono::milliseconds kShutdownFlushTimeout{500};

system_clock::time_point to_system(PacketTime time) {
  return system_clock::time_point(
      std::chrono::duration_cast<system_clock::duration>(time.time_since_epoch()));
}

}  // namespace

ReplayRun::ReplayRun(const Options& options, LineWriter& standard_error,
                     LineWriter& standard_output, Log& log)
    : options_(options),
      standard_error_(standard_error),
      standard_output_(standard_output),
      log_(log),
      user_(options.user ? std::optional(find_user(*options.user)) : std::nullopt),
      sandbox_(make_sandbox(options, {Role::replay, Role::replay_reader}, log)),
      matcher_(options.filters),
      progress_(standard_error),
      files_(options.read_files, options.bpf, signals_.descriptor(),
             [this](const std::string& text) {
               progress_.wipe();
               log_.warning("{}", text);
             }),
      reporter_(options.output, standard_error, standard_output, matcher_,
                [this](std::uint16_t number) { return files_.interface_name(number); }),
      clock_(steady_clock::now()) {
  standard_error_.wait_when_full(signals_.descriptor());
  standard_output_.wait_when_full(signals_.descriptor());
  if (user_) become(*user_);
  drop_capabilities();
  make_readers();
  enter_sandbox();
  files_.recognise();
}

void ReplayRun::make_readers() {
  std::random_device device;
  const unsigned readers = options_.threads.value_or(1);
  const ring::SteeringKey steering = random_steering(device);
  const Locality locality =
      options_.local.empty() ? Locality::everywhere() : Locality({}, options_.local, {});
  std::vector<ReplayConfig> configs;
  for (unsigned i = 0; i < readers; ++i) {
    configs.push_back({.id = i,
                       .readers = readers,
                       .tracker = tracker_config(options_, readers, device),
                       .verify = options_.checksum,
                       .steering = steering,
                       .icmp = options_.icmp,
                       .tell_outcomes = !options_.quiet});
  }
  readers_.emplace(configs, matcher_, locality);
}

// The main thread is the first of the readers'; it may not start others after this.
void ReplayRun::enter_sandbox() {
  readers_->on_each_thread(
      [this](unsigned i) { sandbox_.enter(i == 0 ? Role::replay : Role::replay_reader); });
}

bool ReplayRun::run() {
  for (const std::string& warning : options_.warnings) log_.warning("{}", warning);
  print_banner();
  std::vector<SavedPacket> packets;
  while (files_.read(packets, readers_->block_packets())) {
    take(packets);
    show_progress();
  }
  finish();
  return files_.faults().empty();
}

void ReplayRun::print_banner() {
  std::string filter = options_.icmp ? "TCP and ICMP destination unreachable" : "TCP";
  if (!options_.bpf.empty()) filter += ", where " + printable(options_.bpf);
  standard_error_.line("reading from " + files_.describe());
  standard_error_.line(fmt::format("{} reader{} with room for {} attempts each, filter: {}",
                                   readers_->size(), readers_->size() == 1 ? "" : "s",
                                   readers_->capacity_each(), filter));
  if (!options_.quiet) reporter_.begin();
  standard_error_.flush();
}

void ReplayRun::take(std::span<const SavedPacket> packets) {
  while (!packets.empty()) {
    const auto stretch = clock_.advance(packets);
    if (stretch.packets != 0) {
      readers_->take(packets.first(stretch.packets), files_.interfaces());
      show_outcomes();
    }
    packets = packets.subspan(stretch.packets);
    if (stretch.sweep_by) sweep(*stretch.sweep_by);
  }
  if (clock_.sweep_is_due(readers_->pending(), readers_->capacity(), steady_clock::now())) {
    sweep(clock_.now());
  }
}

void ReplayRun::sweep(PacketTime now) {
  // Gathered first: all timeouts of a sweep are shown in the order of their time.
  readers_->sweep(now, [this] {
    while (reporter_.gather(readers_->outcomes())) show_outcomes();
  });
  show_outcomes();
  clock_.swept(steady_clock::now());
}

void ReplayRun::show_outcomes() {
  if (options_.quiet) return;
  progress_.wipe();
  reporter_.tell(readers_->outcomes());
}

void ReplayRun::show_progress() {
  if (progress_.due()) progress_.update(files_.passed(), files_.total(), clock_.packets());
}

void ReplayRun::finish() {
  if (readers_->pending() != 0) sweep(clock_.now());
  progress_.wipe();
  standard_error_.flush_patiently(kShutdownFlushTimeout);  // makes room
  standard_error_.line("");
  standard_error_.line(summary(snapshot()));
  // Whatever the log shows: they are the reason for the exit status.
  Log faults(standard_error_, LOG_ERR, false);
  for (const std::string& fault : files_.faults()) faults.error("{}", fault);
  standard_error_.flush_patiently(kShutdownFlushTimeout);
  standard_output_.flush_patiently(kShutdownFlushTimeout);
}

ipc::Snapshot ReplayRun::snapshot() const {
  ipc::Snapshot frame;
  frame.version = TCPEEK_VERSION;
  // Without a packet there is no time but that of the run.
  const bool any = clock_.packets() != 0;
  frame.started = any ? to_system(clock_.earliest()) : started_;
  frame.taken = any ? to_system(clock_.latest()) : system_clock::now();
  frame.uptime = std::chrono::duration_cast<milliseconds>(frame.taken - frame.started);
  for (const FilterExpression& filter : matcher_.counted()) {
    frame.filters.push_back({.name = filter.name, .expression = filter.text, .counts = {}});
  }
  std::vector<ReaderReport> reports = readers_->reports();
  for (const std::uint64_t packets : files_.packets()) {
    frame.interfaces.emplace_back();
    reports.front().sockets.push_back({.seen = packets});
  }
  std::vector<ReaderView> views;
  for (std::size_t i = 0; i < reports.size(); ++i) {
    views.push_back({.report = &reports[i], .id = static_cast<unsigned>(i)});
  }
  return build_snapshot(std::move(frame), views);
}

}  // namespace tcpeek::engine
