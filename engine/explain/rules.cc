#include "engine/explain/rules.h"

#include <array>

namespace tcpeek::engine {
namespace {

constexpr std::array kRules{
    Rule{"stuck_tuple", Concern::silence, &rule::stuck_tuple},
    Rule{"accept_queue_full", Concern::silence, &rule::accept_queue_full},
    Rule{"filtered_for_some", Concern::silence, &rule::filtered_for_some},
    Rule{"dropped_in_silence", Concern::silence, &rule::dropped_in_silence},
    Rule{"partly_unanswered", Concern::silence, &rule::partly_unanswered},
    Rule{"network_dark", Concern::silence, &rule::network_dark},
    Rule{"unanswered_there", Concern::silence, &rule::unanswered_there},
    Rule{"service_silent", Concern::silence, &rule::service_silent},
    Rule{"host_silent", Concern::silence, &rule::host_silent},
    Rule{"no_answer", Concern::silence, &rule::no_answer},
    Rule{"refused_on_the_way", Concern::refusal, &rule::refused_on_the_way},
    Rule{"refused_here", Concern::refusal, &rule::refused_here},
    Rule{"refused_there", Concern::refusal, &rule::refused_there},
    Rule{"half_open_scan", Concern::unacknowledged, &rule::half_open_scan},
    Rule{"synack_dropped_here", Concern::unacknowledged, &rule::synack_dropped_here},
    Rule{"way_back", Concern::unacknowledged, &rule::way_back},
    Rule{"router_says", Concern::unreachable, &rule::router_says},
    Rule{"option_black_hole", Concern::repeats, &rule::option_black_hole},
    Rule{"loss_on_path", Concern::repeats, &rule::loss_on_path},
    Rule{"probes", Concern::initiator, &rule::probes},
    Rule{"gave_up", Concern::initiator, &rule::gave_up},
};

}  // namespace

std::span<const Rule> rules() noexcept {
  return kRules;
}

}  // namespace tcpeek::engine
