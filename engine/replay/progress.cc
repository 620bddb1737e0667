#include "engine/replay/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace tcpeek::engine {
namespace {

constexpr std::chrono::milliseconds kFirst{1000};
constexpr std::chrono::milliseconds kRepaintInterval{200};
constexpr const char* kWipe = "\r\x1b[K";

// 1.2 G, 34.5 M, 678 k: three digits are enough to see progress.
std::string short_number(double number) {
  constexpr std::array kUnits{"", " k", " M", " G", " T"};
  std::size_t unit = 0;
  for (; number >= 999.5 && unit + 1 < kUnits.size(); ++unit) number /= 1000;
  return fmt::format("{:.{}f}{}", number, unit == 0 || number >= 99.95 ? 0 : 1, kUnits[unit]);
}

}  // namespace

std::string progress_text(std::uint64_t bytes, std::optional<std::uint64_t> total,
                          std::uint64_t packets, std::chrono::nanoseconds elapsed) {
  const double seconds = std::max(std::chrono::duration<double>(elapsed).count(), 1e-9);
  const auto done = static_cast<double>(bytes);
  std::string text = short_number(done) + "B";
  if (total) {
    const auto all = static_cast<double>(std::max<std::uint64_t>(*total, 1));
    text = fmt::format("{:.0f}% of {}B", std::min(100 * done / all, 100.0), short_number(all));
  }
  text += fmt::format(", {} packets/s", short_number(static_cast<double>(packets) / seconds));
  if (total && bytes > 0) {
    const double left = seconds * (static_cast<double>(*total) - done) / done;
    text += fmt::format(", {:.0f} s left", std::max(left, 0.0));
  }
  return text;
}

Progress::Progress(LineWriter& writer) : writer_(writer), next_(start_ + kFirst) {}

void Progress::update(std::uint64_t bytes, std::optional<std::uint64_t> total,
                      std::uint64_t packets) {
  if (!due()) return;
  const Clock::time_point now = Clock::now();
  next_ = now + kRepaintInterval;
  writer_.status(kWipe + progress_text(bytes, total, packets, now - start_));
  shown_ = true;
}

void Progress::wipe() noexcept {
  if (!shown_) return;
  writer_.status(kWipe);
  shown_ = false;
}

}  // namespace tcpeek::engine
