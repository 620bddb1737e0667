#include "engine/output/systemd_notifier.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <system_error>

#include "engine/base/text.h"

namespace tcpeek::engine {
namespace {

std::string counted(std::uint64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

std::string_view in_words(ipc::InterfaceState state) noexcept {
  switch (state) {
    case ipc::InterfaceState::up:
      return "is up";
    case ipc::InterfaceState::no_carrier:
      return "has no carrier";
    case ipc::InterfaceState::down:
      return "is down";
    case ipc::InterfaceState::gone:
      return "is gone";
  }
  return "";
}

std::optional<std::uint64_t> number_in(const char* variable) {
  const char* value = std::getenv(variable);
  if (value == nullptr) return std::nullopt;
  const char* end = value + std::strlen(value);
  std::uint64_t number = 0;
  const auto [rest, error] = std::from_chars(value, end, number);
  return error == std::errc() && rest == end ? std::optional(number) : std::nullopt;
}

std::optional<std::chrono::microseconds> watchdog_time() {
  constexpr std::uint64_t kLongest = 365ULL * 86400 * 1'000'000;
  const bool of_another_process =
      std::getenv("WATCHDOG_PID") != nullptr &&
      number_in("WATCHDOG_PID") != static_cast<std::uint64_t>(::getpid());
  const std::uint64_t usec = number_in("WATCHDOG_USEC").value_or(0);
  if (of_another_process || usec == 0) return std::nullopt;
  return std::chrono::microseconds(std::min(usec, kLongest));
}

}  // namespace

std::string status_line(const ipc::Snapshot& snapshot) {
  const ipc::Counts& c = snapshot.totals;
  std::string text = fmt::format(
      "{}: {}, {}, {} pending; {} dropped", counted(c[ipc::Tally::attempts], "attempt", "attempts"),
      counted(c[ipc::Tally::success], "success", "successes"),
      counted(c.failures(), "failure", "failures"), c[ipc::Tally::pending],
      counted(snapshot.packets.dropped, "packet", "packets"));
  if (const auto evicted = c[ipc::Tally::evicted]; evicted != 0) {
    text += fmt::format("; {} evicted", counted(evicted, "attempt", "attempts"));
  }
  for (const ipc::InterfaceStats& interface : snapshot.interfaces) {
    if (interface.state == ipc::InterfaceState::up) continue;
    text += fmt::format("; {} {}", printable(interface.name), in_words(interface.state));
  }
  return text;
}

SystemdNotifier::SystemdNotifier(Log& log) : log_(log) {
  if (const char* name = std::getenv("NOTIFY_SOCKET")) find_manager(name);
}

// A path, or "@" and an abstract name (unix(7)).
void SystemdNotifier::find_manager(std::string_view name) {
  if (name.empty() || (name.front() != '/' && name.front() != '@')) {
    return report_failure(EAFNOSUPPORT);
  }
  if (name.size() >= sizeof manager_.sun_path) return report_failure(ENAMETOOLONG);
  manager_.sun_family = AF_UNIX;
  std::copy(name.begin(), name.end(), manager_.sun_path);
  const bool is_path = name.front() == '/';
  if (!is_path) manager_.sun_path[0] = '\0';
  // A path is passed with its zero byte, an abstract name without one.
  manager_size_ =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + (is_path ? 1 : 0));
  socket_ = ring::Descriptor(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (socket_.get() < 0) return report_failure(errno);
  watchdog_ = watchdog_time();
}

void SystemdNotifier::ready(const ipc::Snapshot& snapshot) {
  if (socket_.get() < 0) return;
  status_ = status_line(snapshot);
  status_sent_at_ = Clock::now();
  send("READY=1\nSTATUS=" + status_);
}

void SystemdNotifier::alive(const ipc::Snapshot& snapshot, Clock::time_point now) {
  if (socket_.get() < 0) return;
  const std::string message = (watchdog_ ? "WATCHDOG=1\n" : "") + new_status(snapshot, now);
  if (!message.empty()) send(message);
}

void SystemdNotifier::status(const ipc::Snapshot& snapshot, Clock::time_point now) {
  if (socket_.get() < 0) return;
  const std::string message = new_status(snapshot, now);
  if (!message.empty()) send(message);
}

std::string SystemdNotifier::new_status(const ipc::Snapshot& snapshot, Clock::time_point now) {
  if (now - status_sent_at_ < kStatusInterval) return {};
  std::string status = status_line(snapshot);
  if (status == status_) return {};
  status_ = std::move(status);
  status_sent_at_ = now;
  return "STATUS=" + status_;
}

void SystemdNotifier::stopping() {
  if (socket_.get() >= 0) send("STOPPING=1");
}

void SystemdNotifier::send(std::string_view message) {
  const auto sent =
      ::sendto(socket_.get(), message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr*>(&manager_), manager_size_);
  if (sent < 0) report_failure(errno);
}

void SystemdNotifier::report_failure(int error) {
  if (std::exchange(failure_reported_, true)) return;
  log_.warning(
      "cannot notify the service manager (NOTIFY_SOCKET): {}; it may restart tcpeek for no reason",
      std::generic_category().message(error));
}

}  // namespace tcpeek::engine
