#include "engine/output/live_line.h"

#include <fmt/chrono.h>
#include <fmt/compile.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

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

// Text is ASCII here, so its bytes are its columns.
void append_right(std::string& out, std::string_view text, std::size_t width) {
  if (text.size() < width) out.append(width - text.size(), ' ');
  out += text;
}

void append_right(std::string& out, std::uint64_t number, std::size_t width) {
  const fmt::format_int digits(number);
  append_right(out, {digits.data(), digits.size()}, width);
}

void append_left(std::string& out, std::uint64_t number, std::size_t width) {
  const fmt::format_int digits(number);
  out.append(digits.data(), digits.size());
  if (digits.size() < width) out.append(width - digits.size(), ' ');
}

void append_end(std::string& out, const ipc::EventEndpoint& end) {
  constexpr std::size_t kAddress = 15;
  constexpr std::size_t kPort = 5;
  const bool v6 = end.address.find(':') != std::string::npos;
  append_right(out, v6 ? '[' + end.address + ']' : end.address, kAddress);
  out += ':';
  append_left(out, end.port, kPort);
}

std::string time_column(std::chrono::microseconds duration) {
  std::array<char, 40> text{};
  const double seconds = std::chrono::duration<double>(duration).count();
  char* const end = fmt::format_to(text.data(), FMT_COMPILE("{:8.3f} "), seconds);
  return {text.data(), end};
}

std::string stamp_column(std::chrono::system_clock::time_point at) {
  // Rounded down, as a capture file may date from before 1970.
  const auto second = std::chrono::floor<std::chrono::seconds>(at);
  const auto within = std::chrono::floor<std::chrono::milliseconds>(at - second);
  const std::tm local = fmt::localtime(std::chrono::system_clock::to_time_t(second));
  std::array<char, 40> text{};
  char* const end =
      fmt::format_to(text.data(), FMT_COMPILE(" {:02}-{:02}-{:02} {:02}:{:02}:{:02}.{:03} "),
                     (local.tm_year % 100 + 100) % 100, local.tm_mon + 1, local.tm_mday,
                     local.tm_hour, local.tm_min, local.tm_sec, within.count());
  return {text.data(), end};
}

std::string joined(const LiveColumns& c) {
  std::string line;
  line.reserve(160);
  line.append(c.time).append("|").append(c.stamp).append("|").append(c.ends);
  return line.append("|").append(c.result).append("|").append(c.duplicates);
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
  LiveColumns columns{.time = time_column(event.duration),
                      .stamp = stamp_column(event.first_syn),
                      .ends = " ",
                      .result = result_column(result),
                      .duplicates = {}};
  append_end(columns.ends, event.initiator);
  columns.ends += ' ';
  append_end(columns.ends, event.responder);
  columns.ends += ' ';
  append_right(columns.duplicates, event.dup_syn, 8);
  columns.duplicates += ' ';
  append_right(columns.duplicates, event.dup_synack, 8);
  columns.duplicates += ' ';
  return columns;
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
