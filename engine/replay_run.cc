#include "engine/replay_run.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

#include "engine/config/sizing.h"
#include "engine/config/tracker_settings.h"
#include "engine/explain/explain.h"
#include "engine/output/banner.h"
#include "engine/output/explanation.h"
#include "engine/output/loss_warnings.h"
#include "engine/output/summary.h"
#include "engine/pipeline/explain_totals.h"
#include "engine/pipeline/snapshot_builder.h"
#include "engine/pipeline/top_builder.h"
#include "engine/reporter_config_of.h"
#include "ipc/explain_json.h"

namespace tcpeek::engine {
namespace {

using flowtable::PacketTime;
using ring::SavedPacket;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using std::chrono::system_clock;

// After an interrupt, when the other end of an output is slow or stuck; waited three times at most.
constexpr std::chrono::milliseconds kFlushTimeout{500};
constexpr unsigned kReportServices = 64;

system_clock::time_point to_system(PacketTime time) {
  return system_clock::time_point(
      std::chrono::duration_cast<system_clock::duration>(time.time_since_epoch()));
}

Role role_of(const Options& options) noexcept {
  return options.report.empty() ? Role::replay : Role::replay_with_report;
}

}  // namespace

ReplayRun::ReplayRun(const Options& options, LineWriter& standard_error,
                     LineWriter& standard_output, Log& log)
    : options_(options),
      standard_error_(standard_error),
      standard_output_(standard_output),
      log_(log),
      user_(options.user ? std::optional(find_user(*options.user)) : std::nullopt),
      sandbox_(options.no_seccomp
                   ? Sandbox()
                   : Sandbox({role_of(options), Role::replay_reader}, options.log_to_syslog)),
      filters_(options.filters),
      progress_(standard_error),
      files_(options.read_files, options.bpf, signals_.descriptor(),
             {.descriptor = request_signals_.descriptor(), .answer = [this] { answer_request(); }},
             [this](const std::string& text) {
               progress_.wipe();
               log_.warning("{}", shown(text));
             }),
      reporter_(reporter_config(options), standard_error, standard_output, filters_,
                [this](std::uint16_t number) { return files_.interface_name(number); }),
      clock_(steady_clock::now()) {
  if (options.redact) reporter_.redact(redactor_);
  if (!options.report.empty()) {
    report_.emplace(options.report, options.redact ? &redactor_ : nullptr);
    reporter_.keep(report_->failures());
  }
  standard_error_.wait_when_full(signals_.descriptor());
  standard_output_.wait_when_full(signals_.descriptor());
  drop_privileges(user_);
  make_readers();
  enter_sandbox();
  files_.recognise();
}

void ReplayRun::make_readers() {
  std::random_device device;
  const Sizing sizing = replay_sizing(options_);
  const auto readers = static_cast<unsigned>(sizing.cpus.size());
  const ring::SteeringKey steering = random_steering(device);
  const Locality locality =
      options_.local.empty() ? Locality::everywhere() : Locality({}, options_.local, {});
  std::vector<ReplayConfig> configs;
  for (unsigned i = 0; i < readers; ++i) {
    configs.push_back({.id = i,
                       .readers = readers,
                       .tracker = tracker_config(options_, sizing.sessions_per_reader, device),
                       .decoding = options_.decoding(),
                       .steering = steering,
                       .icmp = options_.icmp,
                       .print_outcomes = !options_.quiet || options_.count || report_});
  }
  readers_.emplace(configs, filters_, locality);
}

// The first reader runs on the main thread, which cannot start threads after this.
void ReplayRun::enter_sandbox() {
  readers_->on_each_thread(
      [this](unsigned i) { sandbox_.enter(i == 0 ? role_of(options_) : Role::replay_reader); });
}

bool ReplayRun::run() {
  for (const std::string& warning : options_.warnings) log_.warning("{}", shown(warning));
  print_banner();
  std::vector<SavedPacket> packets;
  reading_ = true;
  while (!over() && files_.read(packets, readers_->block_packets())) {
    take_with_samples(up_to_the_end(packets));
    show_progress();
    answer_request();
  }
  finish();
  return files_.faults().empty();
}

// --count is reached, --duration is over, or nobody reads the JSON lines any more.
bool ReplayRun::over() const noexcept {
  const bool json = options_.output == OutputFormat::json && !options_.quiet;
  return past_the_end_ || reporter_.done() || (json && standard_output_.abandoned());
}

// Those within --duration of the first packet.
std::span<const SavedPacket> ReplayRun::up_to_the_end(std::span<const SavedPacket> packets) {
  if (!options_.duration || packets.empty()) return packets;
  if (!end_ns_) {
    end_ns_ = packets.front().time_ns +
              std::chrono::duration_cast<std::chrono::nanoseconds>(*options_.duration).count();
  }
  const auto later = std::ranges::find_if(
      packets, [this](const SavedPacket& packet) { return packet.time_ns >= *end_ns_; });
  past_the_end_ = later != packets.end();
  return packets.first(static_cast<std::size_t>(later - packets.begin()));
}

// While it waits for a file to begin, there is nothing to sum up yet.
void ReplayRun::answer_request() {
  if (request_signals_.take() == RequestSignal::summary) summary_owed_ = true;
  if (reading_ && std::exchange(summary_owed_, false)) print_summary();
}

void ReplayRun::print_banner() {
  const ReplayBanner banner{.files = files_.describe(),
                            .icmp = options_.icmp,
                            .bpf = options_.bpf,
                            .readers = readers_->size(),
                            .sessions_each = readers_->capacity_each()};
  for (const std::string& line : lines_of(banner)) standard_error_.line(shown(line));
  reporter_.begin();
  standard_error_.flush();
}

void ReplayRun::take(std::span<const SavedPacket> packets) {
  while (!packets.empty()) {
    const auto stretch = clock_.advance(packets);
    if (stretch.packets != 0) {
      readers_->take(packets.first(stretch.packets), files_.interfaces());
      print_outcomes();
    }
    packets = packets.subspan(stretch.packets);
    if (stretch.sweep_by) sweep(*stretch.sweep_by);
  }
  if (clock_.sweep_is_due(readers_->pending(), readers_->capacity(), steady_clock::now())) {
    sweep(clock_.now());
  }
}

void ReplayRun::sweep(PacketTime now) {
  readers_->sweep(now, [this] { collect_outcomes(); });
  print_outcomes();
  clock_.swept(steady_clock::now());
}

void ReplayRun::collect_outcomes() {
  while (reporter_.collect(readers_->outcomes())) print_outcomes();
}

void ReplayRun::print_outcomes() {
  if (options_.quiet && !options_.count && !report_) return;
  progress_.wipe();
  reporter_.print(readers_->outcomes());
}

void ReplayRun::finish() {
  if (readers_->pending() != 0) readers_->finish(clock_.now(), [this] { collect_outcomes(); });
  print_outcomes();
  progress_.wipe();
  standard_error_.flush_blocking(kFlushTimeout);  // makes room for the summary
  standard_error_.line("");
  print_summary();
  if (options_.explain) print_explanation();
  if (report_) write_report();
  if (const auto warning = tunnel_warning(snapshot())) log_.warning("{}", *warning);
  // At any log level: they are the reason for the exit status.
  Log faults(standard_error_, LOG_ERR, false);
  for (const std::string& fault : files_.faults()) faults.error("{}", shown(fault));
  standard_error_.flush_blocking(kFlushTimeout);
  standard_output_.flush_blocking(kFlushTimeout);
}

void ReplayRun::print_summary() {
  progress_.wipe();
  const ipc::Snapshot totals = snapshot();
  const ipc::Top services = top(kSummaryServices.count, totals.taken);
  standard_error_.line(shown(summary(totals, services.services)));
  standard_error_.flush();
}

ipc::Top ReplayRun::top(unsigned services, system_clock::time_point taken) {
  ipc::Top top = top_at_once(
      {.count = services},
      [this](const TopQuery& query) { return readers_->answer(query, clock_.now()); }, taken);
  // All of a file is.
  top.recent_at_least = top.recent_at_most = std::chrono::seconds(0);
  return top;
}

ipc::Explanation ReplayRun::explanation() {
  const ipc::Snapshot totals = snapshot();
  ExplainInput input = readers_->explain_input(clock_.now(), totals.taken);
  add_totals(input, totals);
  return explain(input);
}

void ReplayRun::take_with_samples(std::span<const SavedPacket> packets) {
  while (report_ && !packets.empty()) {
    const std::int64_t begin = clock_.packets() == 0 ? packets.front().time_ns
                                                     : clock_.earliest().time_since_epoch().count();
    const std::int64_t next =
        begin + std::chrono::duration_cast<std::chrono::nanoseconds>(report_->next()).count();
    const auto later = std::ranges::find_if(
        packets, [next](const SavedPacket& packet) { return packet.time_ns >= next; });
    const auto before = static_cast<std::size_t>(later - packets.begin());
    take(packets.first(before));
    packets = packets.subspan(before);
    if (packets.empty()) break;
    report_->skip_to(std::chrono::duration_cast<milliseconds>(
        std::chrono::nanoseconds(packets.front().time_ns - begin)));
    sample();
  }
  if (!report_) take(packets);
}

// Timeouts are counted where they happened: tables are swept for each.
void ReplayRun::sample() {
  const PacketTime now = std::min<PacketTime>(clock_.earliest() + report_->next(),
                                              clock_.now() + ReplayClock::kAllEnded);
  if (readers_->pending() != 0) sweep(now);
  const ipc::Snapshot counts = snapshot();
  report_->sample(counts, top(kReportServices, counts.taken));
}

void ReplayRun::write_report() {
  ipc::Snapshot counts = snapshot();
  ipc::Top services = top(kReportServices, counts.taken);
  std::vector<std::string> files;
  for (const std::string& path : options_.read_files)
    files.push_back(path.substr(path.rfind('/') + 1));
  report_->write({.counts = std::move(counts),
                  .services = std::move(services),
                  .explanation = explanation(),
                  .files = std::move(files)});
  log_.notice("the report is in {}", shown(options_.report));
}

// As it may be told.
std::string ReplayRun::shown(std::string text) {
  return options_.redact ? redactor_.text(text) : text;
}

void ReplayRun::print_explanation() {
  const ipc::Explanation told = explanation();
  const bool json = options_.output == OutputFormat::json;
  standard_output_.line(shown(json ? ipc::explain_reply(told) : explanation_page(told)));
  standard_output_.flush();
}

ipc::Snapshot ReplayRun::snapshot() {
  SnapshotFrame frame;
  // Without packets, the time of the run itself.
  const bool any = clock_.packets() != 0;
  frame.started = any ? to_system(clock_.earliest()) : started_;
  frame.taken = any ? to_system(clock_.latest()) : system_clock::now();
  frame.uptime = std::chrono::duration_cast<milliseconds>(frame.taken - frame.started);
  frame.interfaces.resize(files_.packets().size());
  return build_snapshot(std::move(frame), filters_, readers_->views(files_.packets()));
}

}  // namespace tcpeek::engine
