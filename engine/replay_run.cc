#include "engine/replay_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <random>

#include "engine/base/text.h"
#include "engine/config/sizing.h"
#include "engine/config/tracker_settings.h"
#include "engine/output/summary.h"
#include "engine/pipeline/snapshot_builder.h"
#include "engine/process/privileges.h"
#include "engine/replay/link_types.h"

namespace tcpeek::engine {
namespace {

using flowtable::PacketTime;
using ring::SavedPacket;

// Packets that all readers take before their outcomes are told; small enough to stay in the cache.
constexpr std::size_t kBlockPackets = 4096;
// More where several readers have to wait for each other.
constexpr std::size_t kBlockPacketsOfMany = 16'384;
// Attempts whose outcomes fit the queues.
constexpr std::size_t kSweepGroups =
    OutcomeQueue::kCapacity / flowtable::AttemptTable::kGroupSlots / 2;
// A round of the table takes some milliseconds: done so seldom, it does not matter.
constexpr std::uint64_t kPacketsPerSweep = 1'048'576;
constexpr std::chrono::seconds kSweepRound{1};
// Between two packets: everything that was pending before has ended by then.
constexpr std::chrono::hours kLeap{24};
constexpr std::chrono::hours kAllEnded{2};
// Packets of several interfaces come out of order by less; more is a clock that was set back.
constexpr std::chrono::seconds kStepBack{1};
constexpr std::chrono::hours kShutdownFlushTimeout{24};

std::chrono::system_clock::time_point to_system(PacketTime time) {
  return std::chrono::system_clock::time_point(
      std::chrono::duration_cast<std::chrono::system_clock::duration>(time.time_since_epoch()));
}

std::string refusal(const std::string& file, std::uint16_t link_type) {
  return fmt::format(
      "{}: link type {} is not read; those that are: Ethernet, Linux cooked v1 and v2, raw IP, BSD "
      "loopback",
      file, describe_link_type(link_type));
}

PacketTime time_of(const SavedPacket& packet) noexcept {
  return PacketTime(std::chrono::nanoseconds(packet.time_ns));
}

}  // namespace

ReplayRun::ReplayRun(const Options& options, LineWriter& standard_error,
                     LineWriter& standard_output, Log& log)
    : options_(options),
      standard_error_(standard_error),
      standard_output_(standard_output),
      log_(log),
      sandbox_(options.no_seccomp
                   ? Sandbox()
                   : Sandbox({Role::replay, Role::replay_reader}, options.log_to_syslog)),
      matcher_(options.filters),
      filters_(options.bpf),
      reporter_(options.output, standard_error, standard_output, matcher_,
                [this](std::uint16_t number) {
                  const auto name = interface_names_.find(number);
                  return name != interface_names_.end() ? name->second : std::to_string(number);
                }),
      progress_(standard_error) {
  const std::optional<User> user =
      options.user ? std::optional(find_user(*options.user)) : std::nullopt;
  if (!options.no_seccomp && !Sandbox::supported_by_build()) {
    log.info("system calls are not filtered: this build has sanitizers");
  }
  standard_error_.wait_when_full();
  standard_output_.wait_when_full();
  open_files();
  filters_.compile_all();
  if (user) become(*user);
  drop_capabilities();
  make_readers();
  enter_sandbox();
  begin_files();
}

void ReplayRun::open_files() {
  for (const std::string& path : options_.read_files) {
    files_.push_back({.name = ring::input_name(path),
                      .input = ring::open_input(path, signals_.descriptor()),
                      .reader = {},
                      .packets = 0});
  }
}

// What the files hold is looked at with no rights that it could gain.
void ReplayRun::begin_files() {
  for (File& file : files_) {
    try {
      file.reader = std::make_unique<ring::SavefileReader>(std::move(file.input));
    } catch (const ring::SavefileError& e) {
      if (!interrupted()) throw std::runtime_error(file.name + " " + e.what());
      files_.clear();  // nothing came, and nobody waits for it any more
      return;
    }
    // A pcap tells its link type in its first bytes; a pcapng before each interface's first packet.
    for (const ring::SavedInterface& interface : file.reader->interfaces()) {
      if (!link_of(interface.link_type)) {
        throw std::runtime_error(refusal(file.name, interface.link_type));
      }
      static_cast<void>(filters_.find(interface.link_type));
    }
  }
}

void ReplayRun::make_readers() {
  std::random_device device;
  const Sizing sizing = replay_sizing(options_);
  const auto readers = static_cast<unsigned>(sizing.cpus.size());
  const ring::SteeringKey steering = random_steering(device);
  const Locality locality =
      options_.local.empty() ? Locality::everywhere() : Locality({}, options_.local, {});
  for (unsigned i = 0; i < readers; ++i) {
    const ReplayConfig config{
        .id = i,
        .readers = readers,
        .tracker = tracker_config(options_, sizing.sessions_per_reader, device),
        .verify = options_.checksum,
        .steering = steering,
        .icmp = options_.icmp,
        .tell_outcomes = !options_.quiet,
    };
    readers_.push_back(std::make_unique<ReplayReader>(config, matcher_, locality));
    outcomes_.push_back(&readers_.back()->outcomes());
  }
  team_.emplace(readers);
}

// The main thread is the team's first member; it may not start others after this.
void ReplayRun::enter_sandbox() {
  std::vector<std::exception_ptr> refused(readers_.size());
  team_->run([&](unsigned i) {
    try {
      sandbox_.enter(i == 0 ? Role::replay : Role::replay_reader);
    } catch (...) {
      refused[i] = std::current_exception();
    }
  });
  for (const std::exception_ptr& refusal : refused) {
    if (refusal) std::rethrow_exception(refusal);
  }
}

std::vector<std::string> ReplayRun::run() {
  for (const std::string& warning : options_.warnings) log_.warning("{}", warning);
  print_banner();
  for (File& file : files_) {
    if (interrupted()) break;
    read(file);
  }
  finish();
  return std::move(wrong_);
}

void ReplayRun::print_banner() {
  std::vector<std::string> files;
  for (const File& file : files_) {
    const auto& interfaces = file.reader->interfaces();
    files.push_back(interfaces.empty() ? file.name
                                       : fmt::format("{}, link-type {}", file.name,
                                                     describe_link_type(interfaces[0].link_type)));
  }
  std::string filter = options_.icmp ? "TCP and ICMP destination unreachable" : "TCP";
  if (!options_.bpf.empty()) filter += ", where " + printable(options_.bpf);
  standard_error_.line(
      fmt::format("reading from {}", printable(fmt::to_string(fmt::join(files, "; ")))));
  standard_error_.line(fmt::format("{} reader{} with room for {} attempts each, filter: {}",
                                   readers_.size(), readers_.size() == 1 ? "" : "s",
                                   readers_.front()->table().capacity(), filter));
  if (!options_.quiet) reporter_.begin();
  standard_error_.flush();
}

void ReplayRun::read(File& file) {
  interfaces_.clear();
  link_type_known_ = false;
  unknown_link_type_.reset();
  std::vector<SavedPacket> packets;
  const std::size_t most = readers_.size() == 1 ? kBlockPackets : kBlockPacketsOfMany;
  while (!interrupted() && file.reader->read(packets, most)) {
    learn_interfaces(file);
    file.packets += packets.size();
    take(packets);
    show_progress(file);
  }
  if (file.reader->damage() && !interrupted()) {
    const ring::Damage& damage = *file.reader->damage();
    wrong_.push_back(fmt::format("{}: damaged at byte {}: {}; what stands before it is counted",
                                 file.name, damage.offset, damage.what));
  }
  if (unknown_link_type_ && !link_type_known_) {
    wrong_.push_back(refusal(file.name, *unknown_link_type_));
  }
  bytes_before_ += file.reader->input().passed();
}

// Of those that the file has told of since the last time.
void ReplayRun::learn_interfaces(const File& file) {
  const auto& told = file.reader->interfaces();
  for (std::size_t i = interfaces_.size(); i < told.size(); ++i) {
    const ring::SavedInterface& interface = told[i];
    const auto link = link_of(interface.link_type);
    interfaces_.push_back({.link = link,
                           .filter = link ? filters_.find(interface.link_type) : nullptr,
                           .number = number_of(file, interface)});
    if (link) {
      link_type_known_ = true;
    } else {
      unknown_link_type_ = interface.link_type;
      log_.warning("{}: packets of link type {} are not read, and counted as ignored", file.name,
                   describe_link_type(interface.link_type));
    }
  }
}

// Numbers begin at 1, as the kernel's do. The same place, name and link type is the same interface, in
// another section and in another file.
std::uint32_t ReplayRun::number_of(const File& file, const ring::SavedInterface& interface) {
  const auto [known, added] = interface_numbers_.try_emplace(
      std::tuple(interface.number, interface.name, interface.link_type),
      static_cast<std::uint32_t>(interface_numbers_.size() + 1));
  if (added) {
    interface_names_[static_cast<std::uint16_t>(known->second)] =
        interface.name.empty() ? file.name : interface.name;
  }
  return known->second;
}

// In parts, cut where time leaps. Where it leaps back, nothing has to end: what is pending waits.
void ReplayRun::take(std::span<const SavedPacket> packets) {
  if (packets_ == 0) first_ = last_ = now_ = swept_at_ = time_of(packets.front());
  while (!packets.empty()) {
    const auto leaps = [this](const SavedPacket& packet) {
      const PacketTime time = time_of(packet);
      const bool leap = time > now_ + kLeap || time < now_ - kLeap;
      if (!leap) go_to(time);
      return leap;
    };
    const auto cut = std::find_if(packets.begin(), packets.end(), leaps);
    const auto part = static_cast<std::size_t>(cut - packets.begin());
    take_part(packets.first(part));
    packets = packets.subspan(part);
    if (packets.empty()) break;
    if (time_of(packets.front()) > now_) sweep_all(now_ + kAllEnded);
    now_ = time_of(packets.front());
    swept_at_ = now_;
  }
  if (sweep_is_due()) sweep_all(now_);
}

// Attempts begun after a step back are young, whatever the time was before.
void ReplayRun::go_to(PacketTime time) noexcept {
  first_ = std::min(first_, time);
  last_ = std::max(last_, time);
  if (time >= now_ - kStepBack) {
    now_ = std::max(now_, time);
  } else {
    now_ = time;
    swept_at_ = std::min(swept_at_, now_);
  }
}

void ReplayRun::take_part(std::span<const SavedPacket> packets) {
  if (packets.empty()) return;
  packets_ += packets.size();
  team_->run([&](unsigned i) { readers_[i]->take(packets, interfaces_); });
  tell();
}

bool ReplayRun::sweep_is_due() const noexcept {
  if (now_ - swept_at_ < kSweepRound) return false;
  if (now_ - swept_at_ > kLeap) return true;
  const std::uint64_t pending = sum(&flowtable::AttemptTable::pending);
  if (pending == 0) return false;
  const bool nearly_full = pending > sum(&flowtable::AttemptTable::capacity) / 5 * 4;
  // A pipe may bring packets as they are captured: somebody watches.
  const bool slow = std::chrono::steady_clock::now() - swept_on_ > kSweepRound;
  return packets_ - packets_at_sweep_ >= kPacketsPerSweep || nearly_full || slow;
}

void ReplayRun::sweep_all(PacketTime now) {
  const std::size_t groups = readers_.front()->table().group_count();
  for (std::size_t swept = 0; swept < groups; swept += kSweepGroups) {
    const std::size_t part = std::min(kSweepGroups, groups - swept);
    team_->run([&](unsigned i) { readers_[i]->sweep(now, part); });
    // All timeouts of a round are told in the order of their time.
    while (reporter_.gather(outcomes_)) tell();
  }
  tell();
  swept_at_ = now_;
  packets_at_sweep_ = packets_;
  swept_on_ = std::chrono::steady_clock::now();
}

std::uint64_t ReplayRun::sum(std::uint64_t (flowtable::AttemptTable::*count)()
                                 const noexcept) const {
  std::uint64_t total = 0;
  for (const auto& reader : readers_) total += (reader->table().*count)();
  return total;
}

void ReplayRun::tell() {
  if (options_.quiet) return;
  progress_.wipe();
  reporter_.tell(outcomes_);
}

void ReplayRun::show_progress(const File& file) {
  if (!progress_.due()) return;
  std::optional<std::uint64_t> total = bytes_before_;
  for (const File* f = &file; f != files_.data() + files_.size(); ++f) {
    const auto more = f->reader->input().total();
    total = total && more ? std::optional(*total + *more) : std::nullopt;
  }
  progress_.update(bytes_before_ + file.reader->input().passed(), total, packets_);
}

bool ReplayRun::interrupted() const noexcept {
  return signals_.came();
}

void ReplayRun::finish() {
  if (sum(&flowtable::AttemptTable::pending) != 0) sweep_all(now_);
  progress_.wipe();
  standard_error_.line("");
  standard_error_.line(summary(snapshot()));
  standard_error_.flush_for(kShutdownFlushTimeout);
  standard_output_.flush_for(kShutdownFlushTimeout);
}

ipc::Snapshot ReplayRun::snapshot() const {
  ipc::Snapshot frame;
  frame.version = TCPEEK_VERSION;
  frame.started = to_system(first_);
  frame.taken = to_system(last_);
  frame.uptime = std::chrono::duration_cast<std::chrono::milliseconds>(last_ - first_);
  for (const FilterExpression& filter : matcher_.counted()) {
    frame.filters.push_back({.name = filter.name, .expression = filter.text, .counts = {}});
  }
  std::vector<ReaderReport> reports;
  for (const auto& reader : readers_) reports.push_back(reader->report());
  for (const File& file : files_) {
    frame.interfaces.push_back({.name = file.name, .link_type = {}});
    reports.front().sockets.push_back({.seen = file.packets});
  }
  std::vector<ReaderView> views;
  for (std::size_t i = 0; i < reports.size(); ++i) {
    views.push_back({.report = &reports[i], .id = static_cast<unsigned>(i)});
  }
  return build_snapshot(std::move(frame), views);
}

}  // namespace tcpeek::engine
