#include "engine/live_prefilter.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <stdexcept>
#include <string_view>

#include "engine/base/text.h"
#include "engine/config/random_keys.h"
#include "ring/capture_program.h"

namespace tcpeek::engine {
namespace {

const char* word(PrefilterMode mode) noexcept {
  switch (mode) {
    case PrefilterMode::off:
      return "off";
    case PrefilterMode::automatic:
      return "auto";
    case PrefilterMode::on:
      return "on";
  }
  return "";
}

// Which option it does not go with, and why.
const char* reason_of(ring::PrefilterConflict conflict) noexcept {
  switch (conflict) {
    case ring::PrefilterConflict::none:
      return "";
    case ring::PrefilterConflict::every_segment:
      return "--capture tcp needs every segment";
    case ring::PrefilterConflict::expression:
      return "it cannot apply the expression of --bpf";
    case ring::PrefilterConflict::tunnels:
      return "it cannot look into the tunnels of --decap";
  }
  return "";
}

void log_verifier(const ring::PrefilterRefused& refused, Log& log) {
  std::string_view left = refused.log();
  while (!left.empty()) {
    const std::size_t end = std::min(left.find('\n'), left.size());
    log.debug("prefilter, the verifier: {}", printable(left.substr(0, end)));
    left.remove_prefix(std::min(end + 1, left.size()));
  }
}

}  // namespace

PrefilterChoice::PrefilterChoice(const Options& options, const ring::CaptureFilter& filter,
                                 const Interfaces& interfaces, Log& log)
    : filter_(filter), interfaces_(interfaces), lifetime_(options.timeout) {
  stats_.mode = word(options.prefilter);
  if (options.prefilter == PrefilterMode::off) return;
  stats_.reason = reason_of(ring::prefilter_conflict(filter_));
  if (!stats_.reason.empty()) {
    if (options.prefilter == PrefilterMode::automatic) return;
    throw UsageError("--prefilter on: " + stats_.reason +
                     "; with --prefilter auto tcpeek starts without it");
  }
  load(options.prefilter, log);
}

void PrefilterChoice::load(PrefilterMode mode, Log& log) {
  try {
    std::random_device device;
    prefilter_.emplace(filter_, random_steering(device), lifetime_);
    for (const ring::CaptureTarget& target : interfaces_.targets()) {
      prefilter_->load(target.access, interfaces_.loopback_index(target));
    }
    stats_.active = true;
    stats_.map_bytes = ring::Prefilter::bytes();
  } catch (const ring::PrefilterRefused& refused) {
    prefilter_.reset();
    log_verifier(refused, log);
    stats_.reason = printable(refused.what());
    if (mode == PrefilterMode::automatic) return;
    throw std::runtime_error(fmt::format(
        "--prefilter on: {}; with --prefilter auto tcpeek starts without it", stats_.reason));
  }
}

TargetFilter PrefilterChoice::filter_for(const ring::CaptureTarget& target) const {
  const std::uint32_t loopback = interfaces_.loopback_index(target);
  if (prefilter_) return ring::LoadedProgram{prefilter_->descriptor(target.access, loopback)};
  return ring::capture_program(filter_, target.access, loopback);
}

std::string PrefilterChoice::in_words() const {
  if (stats_.mode == "off") return {};
  if (!stats_.active) return "prefilter: not used: " + stats_.reason;
  return fmt::format(
      "prefilter: in use: ACKs without payload pass within {} s of a SYN or SYN/ACK of their flow, "
      "{} "
      "MiB in the kernel",
      lifetime_.count(), stats_.map_bytes >> 20);
}

}  // namespace tcpeek::engine
