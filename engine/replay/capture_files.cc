#include "engine/replay/capture_files.h"

#include <fmt/format.h>
#include <poll.h>

#include <stdexcept>
#include <utility>

#include "engine/base/text.h"
#include "engine/replay/link_types.h"

namespace tcpeek::engine {
namespace {

std::string refusal(const std::string& file, std::uint16_t link_type) {
  return fmt::format(
      "{}: link type {} is not read; those that are: Ethernet, Linux cooked v1 and v2, raw IP, BSD "
      "loopback",
      file, describe_link_type(link_type));
}

}  // namespace

CaptureFiles::CaptureFiles(std::span<const std::string> paths, const std::string& bpf,
                           int interrupt, Warn warn)
    : interrupt_(interrupt), warn_(std::move(warn)), filters_(bpf) {
  for (const std::string& path : paths) {
    const std::string name = ring::input_name(path);
    files_.push_back({.name = name,
                      .shown = printable(name),
                      .input = ring::open_input(path, interrupt),
                      .reader = {},
                      .packets = 0});
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
    if (interrupted()) return;  // nothing came, and nobody waits for it any more
    throw std::runtime_error(file.shown + " " + e.what());
  }
  // A pcap says its link type in its first bytes, a pcapng before each interface's first packet.
  for (const ring::SavedInterface& interface : file.reader->interfaces()) {
    if (!link_of(interface.link_type)) {
      throw std::runtime_error(refusal(file.shown, interface.link_type));
    }
    static_cast<void>(filters_.find(interface.link_type));
  }
}

bool CaptureFiles::read(std::vector<ring::SavedPacket>& packets, std::size_t most) {
  for (; current_ < files_.size(); ++current_) {
    if (interrupted()) return false;
    File& file = files_[current_];
    if (file.reader->read(packets, most)) {
      learn_interfaces(file);
      file.packets += packets.size();
      return true;
    }
    if (interrupted()) return false;
    finish(file);
  }
  return false;
}

// Those that the file has described since the last time.
void CaptureFiles::learn_interfaces(const File& file) {
  const auto& described = file.reader->interfaces();
  for (std::size_t i = interfaces_.size(); i < described.size(); ++i) {
    learn_interface(file, described[i]);
  }
}

void CaptureFiles::learn_interface(const File& file, const ring::SavedInterface& interface) {
  const auto link = link_of(interface.link_type);
  interfaces_.push_back({.link = link,
                         .filter = link ? filters_.find(interface.link_type) : nullptr,
                         .number = number_of(file, interface)});
  if (link) {
    link_type_known_ = true;
    return;
  }
  unknown_link_type_ = interface.link_type;
  warn_(fmt::format("{}: packets of link type {} are not read, and counted as ignored", file.shown,
                    describe_link_type(interface.link_type)));
}

std::uint32_t CaptureFiles::number_of(const File& file, const ring::SavedInterface& interface) {
  const auto [known, added] = interface_numbers_.try_emplace(
      std::tuple(interface.number, interface.name, interface.link_type),
      static_cast<std::uint32_t>(interface_numbers_.size() + 1));
  if (added) {
    interface_names_[static_cast<std::uint16_t>(known->second)] =
        interface.name.empty() ? file.name : interface.name;
  }
  return known->second;
}

void CaptureFiles::finish(const File& file) {
  if (const auto& damage = file.reader->damage()) {
    faults_.push_back(fmt::format("{}: damaged at byte {}: {}; what stands before it is counted",
                                  file.shown, damage->offset, damage->what));
  }
  if (unknown_link_type_ && !link_type_known_) {
    faults_.push_back(refusal(file.shown, *unknown_link_type_));
  }
  bytes_before_ += file.reader->input().passed();
  interfaces_.clear();
  link_type_known_ = false;
  unknown_link_type_.reset();
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
