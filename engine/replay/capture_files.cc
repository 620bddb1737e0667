#include "engine/replay/capture_files.h"

#include <fmt/format.h>
#include <poll.h>

#include <stdexcept>
#include <string_view>
#include <utility>

#include "engine/base/text.h"
#include "engine/replay/link_types.h"

namespace tcpeek::engine {
namespace {

using ring::SavedPacket;

// Packets of several interfaces are out of order by less than this.
constexpr std::int64_t kDisorderNs = 1'000'000'000;

std::string refusal(const std::string& file, std::uint16_t link_type) {
  return fmt::format(
      "{}: tcpeek does not read link type {}; it reads Ethernet, Linux cooked v1 and v2, raw IP, "
      "BSD loopback and NFLOG",
      file, describe_link_type(link_type));
}

// A word that a shell takes literally.
bool is_plain_word(std::string_view name) noexcept {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-+,:@%=/";
  return !name.starts_with('-') && name.find_first_not_of(kPlain) == std::string_view::npos;
}

// The command that converts the file to something tcpeek reads; empty: there is none.
std::string conversion_command(const std::string& path, const ring::ForeignFormat& format,
                               bool inside) {
  if (format.command == nullptr || (inside && !format.sees_through)) return {};
  if (path != "-") {
    const std::string& word = is_plain_word(path) ? path : "FILE";
    return fmt::format("{} {}{} | tcpeek -r -", format.command, word, format.after_name);
  }
  if (format.standard_input == nullptr) return {};
  const char* space = *format.standard_input == '\0' ? "" : " ";
  return fmt::format("... | {}{}{}{} | tcpeek -r -", format.command, space, format.standard_input,
                     format.after_name);
}

std::string explain(const std::string& path, const std::string& shown,
                    const ring::SavefileError& error) {
  const auto& format = error.foreign();
  const std::string command = format ? conversion_command(path, *format, error.inside()) : "";
  if (command.empty()) return fmt::format("{}: {}", shown, error.what());
  return fmt::format("{}: {}; tcpeek reads {}, so pipe it: {}", shown, format->name, format->reads,
                     command);
}

}  // namespace

CaptureFiles::CaptureFiles(std::span<const std::string> paths, const std::string& bpf,
                           int interrupt, const ring::Question& question, Warn warn)
    : interrupt_(interrupt), warn_(std::move(warn)), filters_(bpf) {
  for (const std::string& path : paths) {
    const std::string name = path == "-" ? "standard input" : path;
    const std::string shown = printable(name);
    files_.push_back({.path = path,
                      .name = name,
                      .shown = shown,
                      .input = ring::open_input(path, interrupt, shown, question),
                      .reader = {}});
  }
  filters_.compile_all();
}

void CaptureFiles::recognise() {
  for (File& file : files_) {
    if (interrupted()) return;
    recognise(file);
  }
}

void CaptureFiles::recognise(File& file) {
  try {
    file.reader = std::make_unique<ring::SavefileReader>(std::move(file.input));
  } catch (const ring::SavefileError& e) {
    if (interrupted()) return;  // no input yet, and none is wanted any more
    throw std::runtime_error(explain(file.path, file.shown, e));
  }
  // A pcap has its link type in its first bytes, a pcapng before the first packet of each interface.
  for (const ring::SavedInterface& interface : file.reader->interfaces()) {
    if (!link_of(interface.link_type)) {
      throw std::runtime_error(refusal(file.shown, interface.link_type));
    }
    static_cast<void>(filters_.find(interface.link_type));
  }
}

bool CaptureFiles::read(std::vector<SavedPacket>& packets, std::size_t most) {
  for (; current_ < files_.size(); ++current_) {
    if (interrupted()) return false;
    File& file = files_[current_];
    if (file.reader->read(packets, most)) {
      follow_time(file, packets);
      learn_interfaces(file);
      file.packets += packets.size();
      return true;
    }
    if (interrupted()) return false;
    finish(file);
  }
  return false;
}

void CaptureFiles::follow_time(File& file, std::span<const SavedPacket> packets) {
  const std::uint64_t part = file.reader->parts();
  if (!stretch_ || stretch_->file != current_ || stretch_->part != part) {
    const std::uint64_t offset = file.reader->part_offset();
    if (part > 1 && !std::exchange(file.joined, true)) {
      warn_(
          fmt::format("{}: another capture file begins at byte {}, as if joined by cat; reading on",
                      file.shown, offset));
    }
    Stretch next{
        .file = current_,
        .part = part,
        .shown = part == 1 ? file.shown : fmt::format("{} from byte {}", file.shown, offset),
        .first_ns = packets.front().time_ns,
        .last_ns = 0};
    if (stretch_) check_order(file, next);
    stretch_ = std::move(next);
  }
  stretch_->last_ns = packets.back().time_ns;
}

// Counting continues whatever the order: only attempts that span two stretches suffer.
void CaptureFiles::check_order(File& file, const Stretch& next) {
  if (next.first_ns >= stretch_->last_ns - kDisorderNs) return;
  if (std::exchange(file.out_of_order, true)) return;
  constexpr const char* kContinuing =
      "counting goes on in the order given, timeouts by packet time";
  if (next.first_ns < stretch_->first_ns) {
    warn_(fmt::format("{}: older than {}, which was read before it; {}: give the older file first",
                      next.shown, stretch_->shown, kContinuing));
  } else {
    warn_(
        fmt::format("{}: begins before {} ends; {}: merge them first (mergecap) to follow "
                    "attempts across both",
                    next.shown, stretch_->shown, kContinuing));
  }
}

// Those that the file has described since the last call.
void CaptureFiles::learn_interfaces(File& file) {
  const auto& described = file.reader->interfaces();
  for (std::size_t i = interfaces_.size(); i < described.size(); ++i) {
    learn_interface(file, described[i]);
  }
}

void CaptureFiles::learn_interface(File& file, const ring::SavedInterface& interface) {
  const auto link = link_of(interface.link_type);
  interfaces_.push_back({.link = link,
                         .filter = link ? filters_.find(interface.link_type) : nullptr,
                         .number = number_of(file, interface)});
  link_type_known_ = link_type_known_ || link;
  if (link || !file.ignored_link_types.insert(interface.link_type).second) return;
  const std::string of =
      interface.name.empty() ? "" : fmt::format(" (interface {})", in_quotes(interface.name));
  warn_(fmt::format("{}: tcpeek does not read link type {}{}; its packets are counted as ignored",
                    file.shown, describe_link_type(interface.link_type), of));
}

// An interface without a name takes the name of the file being read.
std::uint32_t CaptureFiles::number_of(const File& file, const ring::SavedInterface& interface) {
  const auto number = static_cast<std::uint32_t>(interface_numbers_.size() + 1);
  const auto known = interface_numbers_.try_emplace(
      std::tuple(interface.number, interface.name, interface.link_type), number);
  interface_names_[static_cast<std::uint16_t>(known.first->second)] =
      interface.name.empty() ? file.name : interface.name;
  return known.first->second;
}

void CaptureFiles::finish(const File& file) {
  if (const auto& damage = file.reader->damage()) {
    faults_.push_back(fmt::format("{}: damaged at byte {}: {}; everything before it is counted",
                                  file.shown, damage->offset, damage->what));
  }
  if (const std::uint64_t damaged = file.reader->damaged_times(); damaged != 0) {
    warn_(fmt::format(
        "{}: {} packet{} a damaged time (a fraction of a second or more): second and order "
        "are kept",
        file.shown, damaged, damaged == 1 ? " has" : "s have"));
  }
  if (!file.ignored_link_types.empty() && !link_type_known_) {
    faults_.push_back(refusal(file.shown, *file.ignored_link_types.begin()));
  }
  bytes_before_ += file.reader->input().passed();
  interfaces_.clear();
  link_type_known_ = false;
}

bool CaptureFiles::interrupted() const noexcept {
  pollfd polled{interrupt_, POLLIN, 0};
  return ::poll(&polled, 1, 0) == 1;
}

std::string CaptureFiles::interface_name(std::uint16_t number) const {
  const auto name = interface_names_.find(number);
  return name != interface_names_.end() ? name->second : std::to_string(number);
}

std::string CaptureFiles::describe() const {
  std::vector<std::string> files;
  for (const File& file : files_) {
    if (file.reader == nullptr || file.reader->interfaces().empty()) {
      files.push_back(file.shown);
    } else {
      const std::uint16_t link_type = file.reader->interfaces()[0].link_type;
      files.push_back(fmt::format("{}, link-type {}", file.shown, describe_link_type(link_type)));
    }
  }
  return fmt::format("{}", fmt::join(files, "; "));
}

std::vector<std::uint64_t> CaptureFiles::packets() const {
  std::vector<std::uint64_t> counts;
  for (const File& file : files_) counts.push_back(file.packets);
  return counts;
}

std::uint64_t CaptureFiles::passed() const noexcept {
  if (current_ == files_.size()) return bytes_before_;
  return bytes_before_ + files_[current_].reader->input().passed();
}

std::optional<std::uint64_t> CaptureFiles::total() const noexcept {
  std::uint64_t total = bytes_before_;
  for (std::size_t i = current_; i < files_.size(); ++i) {
    const auto more = files_[i].reader->input().total();
    if (!more) return std::nullopt;
    total += *more;
  }
  return total;
}

}  // namespace tcpeek::engine
