#include "engine/alerts/series_health.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace tcpeek::engine {
namespace {

using ipc::HealthFigures;
using ipc::HealthState;

std::uint32_t plus(std::uint32_t sum, std::uint64_t value) noexcept {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(kMost, sum + std::min(value, kMost)));
}

std::uint64_t less(std::uint64_t a, std::uint64_t b) noexcept {
  return a - std::min(a, b);
}

// By more than chance explains: two standard deviations above what is expected at the limit. In whole
// hundredths, which a double holds exactly up to what no minute has.
bool exceeds(std::uint64_t part, const HealthFigures& of, unsigned percent) noexcept {
  const auto ended = static_cast<double>(of.ended());
  const double above = static_cast<double>(part) * 100 - ended * percent;
  return part != 0 && above >= 0 && above * above >= 4 * ended * percent * (100 - percent);
}

// Far enough from `percent` to be let go.
bool below_half(std::uint64_t part, const HealthFigures& of, unsigned percent) noexcept {
  return part * 200 < of.ended() * percent || part == 0;
}

bool in_trouble(const HealthFigures& figures, const HealthLimits& limits) noexcept {
  return exceeds(figures.failed, figures, limits.degraded_percent) ||
         exceeds(figures.retried, figures, limits.degraded_percent);
}

HealthState by_share(const HealthFigures& figures, const HealthLimits& limits) noexcept {
  if (exceeds(figures.failed, figures, limits.failing_percent)) return HealthState::failing;
  return in_trouble(figures, limits) ? HealthState::degraded : HealthState::ok;
}

}  // namespace

std::optional<SeriesHealth::Change> SeriesHealth::add(const HealthFigures& ended, Uptime now,
                                                      const HealthLimits& limits) {
  count(ended, now);
  const Evidence seen = evidence(limits);
  const HealthState judged = judge(ended, seen, now, limits);
  if (judged == state_) return std::nullopt;
  return change_to(judged, seen, now);
}

void SeriesHealth::count(const HealthFigures& ended, Uptime now) {
  const std::int64_t second = std::chrono::floor<std::chrono::seconds>(now).count();
  const std::int64_t passed = std::min<std::int64_t>(second - newest_, kLongWindow.count());
  for (std::int64_t i = 1; i <= passed; ++i) {
    seconds_[static_cast<std::size_t>((second - passed + i) % kLongWindow.count())] = {};
  }
  newest_ = second;
  Second& counted = seconds_[static_cast<std::size_t>(second % kLongWindow.count())];
  counted.succeeded = plus(counted.succeeded, ended.succeeded);
  counted.failed = plus(counted.failed, ended.failed);
  counted.retried = plus(counted.retried, ended.retried);

  // In which order they ended within a second is not known: a success in it breaks a run of failures.
  failures_in_a_row_ = ended.succeeded != 0 ? 0 : failures_in_a_row_ + ended.failed;
  successes_in_a_row_ = ended.failed != 0 ? 0 : successes_in_a_row_ + ended.succeeded;
  in_state_ += ended;
  times_.add(ended, now);
}

HealthFigures SeriesHealth::sum(std::chrono::seconds window) const noexcept {
  HealthFigures total;
  for (std::int64_t age = 0; age < std::min<std::int64_t>(window.count(), newest_ + 1); ++age) {
    const Second& s = seconds_[static_cast<std::size_t>((newest_ - age) % kLongWindow.count())];
    total += {.succeeded = s.succeeded, .failed = s.failed, .retried = s.retried};
  }
  return total;
}

SeriesHealth::Evidence SeriesHealth::evidence(const HealthLimits& limits) const noexcept {
  const HealthFigures recent = sum(kShortWindow);
  if (recent.ended() >= limits.min_attempts) return {recent, kShortWindow, true, true};
  const HealthFigures minute = sum(kLongWindow);
  const std::uint64_t ended = minute.ended();
  return {minute, kLongWindow, ended >= limits.min_attempts,
          ended != 0 && 2 * ended >= limits.min_attempts};
}

HealthState SeriesHealth::judge(const HealthFigures& ended, const Evidence& evidence, Uptime now,
                                const HealthLimits& limits) noexcept {
  if (!times_.has_succeeded()) {
    const bool failed = failures_in_a_row_ >= limits.failing_run;
    return failed ? HealthState::never_succeeded : HealthState::unknown;
  }
  if (ended.ended() == 0) return state_;
  const bool first_success =
      state_ == HealthState::unknown || state_ == HealthState::never_succeeded;
  const HealthState present = first_success ? HealthState::ok : state_;
  HealthState found = HealthState::ok;
  if (evidence.enough) {
    found = by_share(evidence.figures, limits);
  } else if (failures_in_a_row_ >= limits.failing_run) {
    found = HealthState::failing;
  }
  // Old successes that leave the window make nothing worse.
  if (ended.failed == 0 && ended.retried == 0) found = std::min(found, present);
  if (found >= present) {
    if (found > HealthState::ok) calm_since_.reset();
    return found;
  }
  const HealthState improved = better(evidence, now, limits);
  return ended.succeeded != 0 ? improved : state_;
}

HealthState SeriesHealth::better(const Evidence& evidence, Uptime now,
                                 const HealthLimits& limits) noexcept {
  if (!evidence.half || (by_run_ && !evidence.enough)) {
    calm_since_.reset();
    if (successes_in_a_row_ >= limits.failing_run) return HealthState::ok;
    return failures_in_a_row_ == 0 ? std::min(state_, HealthState::degraded) : state_;
  }
  const HealthFigures& figures = evidence.figures;
  const bool failing = state_ == HealthState::failing;
  const bool calm = below_half(figures.failed, figures,
                               failing ? limits.failing_percent : limits.degraded_percent) &&
                    (failing || below_half(figures.retried, figures, limits.degraded_percent));
  if (!calm) {
    calm_since_.reset();
    return state_;
  }
  if (!calm_since_) calm_since_ = now;
  if (now - *calm_since_ < kCalm) return state_;
  return in_trouble(figures, limits) ? HealthState::degraded : HealthState::ok;
}

SeriesHealth::Change SeriesHealth::change_to(HealthState state, Evidence evidence, Uptime now) {
  const bool run_of_failures = !evidence.enough && failures_in_a_row_ != 0;
  by_run_ = run_of_failures || (by_run_ && !evidence.enough);
  if (run_of_failures) {
    evidence.figures = {.succeeded = 0, .failed = failures_in_a_row_, .retried = 0};
    evidence.window = std::chrono::seconds(0);
  }
  const HealthFigures& figures = evidence.figures;
  figures_before_ = {.succeeded = less(in_state_.succeeded, figures.succeeded),
                     .failed = less(in_state_.failed, figures.failed),
                     .retried = less(in_state_.retried, figures.retried)};
  figures_ = figures;
  before_ = std::exchange(state_, state);
  const std::optional<Uptime> lasted = since_ ? std::optional<Uptime>(now - *since_) : std::nullopt;
  since_ = now;
  calm_since_.reset();
  in_state_ = {};
  return {.from = before_,
          .to = state_,
          .before = figures_before_,
          .figures = figures_,
          .window = evidence.window,
          .lasted = lasted};
}

ipc::FilterHealth SeriesHealth::told(const ipc::UptimeClock& now) const {
  ipc::FilterHealth health;
  health.is = state_;
  if (since_) health.since = now.time_of(*since_);
  health.figures = figures_;
  health.before = before_;
  health.figures_before = figures_before_;
  health.times = times_.told(now);
  return health;
}

}  // namespace tcpeek::engine
