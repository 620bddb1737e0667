#include "engine/output/live_line.h"

#include <fmt/chrono.h>
#include <fmt/compile.h>

#include <algorithm>
#include <chrono>

namespace tcpeek::engine {
namespace {

using flowtable::Result;

const char* result_column(Result result) noexcept {
  switch (result) {
    case Result::success:
      return "      success      ";
    case Result::timeout:
      return " failure (timeout) ";
    case Result::reject:
      return " failure (reject)  ";
    case Result::unreach:
      return " failure (unreach) ";
    case Result::evicted:
      return " failure (evicted) ";
    case Result::pending:
      return "      pending      ";
  }
  __builtin_unreachable();
}

std::string coloured(const std::string& text, Result result) {
  constexpr int kRed = 31;
  constexpr int kGreen = 32;
  constexpr int kYellow = 33;
  const int failed = result == Result::pending ? kYellow : kRed;
  const int colour = result == Result::success ? kGreen : failed;
  return fmt::format("\x1b[{}m{}\x1b[0m", colour, text);
}

std::string end_column(const ipc::EventEndpoint& end) {
  constexpr auto kColumn = FMT_COMPILE("{:>15}:{:<5}");
  const bool v6 = end.address.find(':') != std::string::npos;
  return v6 ? fmt::format(kColumn, '[' + end.address + ']', end.port)
            : fmt::format(kColumn, end.address, end.port);
}

std::string joined(const LiveColumns& c) {
  return fmt::format(FMT_COMPILE("{}|{}|{}|{}|{}"), c.time, c.stamp, c.ends, c.result,
                     c.duplicates);
}

}  // namespace

LiveColumns live_column_names() {
  return {.time = " TIME(s) ",
          .stamp = "       TIMESTAMP       ",
          .ends = "      SRC IP:PORT            DST IP:PORT     ",
          .result = "      RESULTS      ",
          .duplicates = " DUP SYN  DUP S/A"};
}

LiveColumns live_columns(const ipc::OutcomeEvent& event, Result result) {
  // Rounded down, as a capture file may date from before 1970.
  const auto second = std::chrono::floor<std::chrono::seconds>(event.first_syn);
  const auto within = std::chrono::floor<std::chrono::milliseconds>(event.first_syn - second);
  const std::tm local = fmt::localtime(std::chrono::system_clock::to_time_t(second));
  return {.time = fmt::format(FMT_COMPILE("{:8.3f} "),
                              std::chrono::duration<double>(event.duration).count()),
          .stamp = fmt::format(FMT_COMPILE(" {:02}-{:02}-{:02} {:02}:{:02}:{:02}.{:03} "),
                               (local.tm_year % 100 + 100) % 100, local.tm_mon + 1, local.tm_mday,
                               local.tm_hour, local.tm_min, local.tm_sec, within.count()),
          .ends = fmt::format(FMT_COMPILE(" {} {} "), end_column(event.initiator),
                              end_column(event.responder)),
          .result = result_column(result),
          .duplicates = fmt::format(FMT_COMPILE("{:8} {:8} "), event.dup_syn, event.dup_synack)};
}

std::string live_header() {
  return joined(live_column_names()) + '\n' + std::string(118, '-');
}

std::string live_line(const ipc::OutcomeEvent& event, Result result, bool colour) {
  LiveColumns columns = live_columns(event, result);
  if (colour) columns.result = coloured(columns.result, result);
  return joined(columns);
}

}  // namespace tcpeek::engine
