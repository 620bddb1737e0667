#include "engine/service_manager.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <cstdlib>
#include <system_error>

namespace tcpeek::engine {
namespace {

constexpr int kKeepEnvironment = 0;

std::string counted(std::uint64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
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
    if (!interface.up) text += fmt::format("; {} is down", interface.name);
  }
  return text;
}

ServiceManager::ServiceManager(Log& log)
    : log_(log),
      present_(std::getenv("NOTIFY_SOCKET") != nullptr),
      watchdog_(::sd_watchdog_enabled(kKeepEnvironment, nullptr) > 0) {}

void ServiceManager::ready(const ipc::Snapshot& snapshot) {
  if (!present_) return;
  status_ = status_line(snapshot);
  status_told_ = Clock::now();
  send("READY=1\nSTATUS=" + status_);
}

void ServiceManager::alive(const ipc::Snapshot& snapshot, Clock::time_point now) {
  if (!present_) return;
  std::string message = watchdog_ ? "WATCHDOG=1\n" : "";
  if (now - status_told_ >= kStatusInterval) {
    if (std::string status = status_line(snapshot); status != status_) {
      message += "STATUS=" + status;
      status_ = std::move(status);
      status_told_ = now;
    }
  }
  if (!message.empty()) send(message);
}

void ServiceManager::stopping() {
  if (present_) send("STOPPING=1");
}

void ServiceManager::send(const std::string& message) {
  const int result = ::sd_notify(kKeepEnvironment, message.c_str());
  if (result >= 0 || failure_told_) return;
  failure_told_ = true;
  log_.warning(
      "cannot tell the service manager how things are (sd_notify): {}; it may restart what runs "
      "well",
      std::generic_category().message(-result));
}

}  // namespace tcpeek::engine
