// Patterns in how attempts end that no single attempt shows: it takes the others of the same service.
//
//   stuck_tuple           one 4-tuple is never answered while others of its initiator at the same service
//                         are: an entry of a NAT or of connection tracking is in its way
//   ecn_black_hole        the SYN that asked for ECN died, the repeated one without was answered at once
//   fast_open_black_hole  the same of Fast Open
//
// Thread contract: plain values.
#pragma once

#include <cstdint>

namespace tcpeek::engine {

enum class Pattern : std::uint8_t { none, stuck_tuple, ecn_black_hole, fast_open_black_hole };

}  // namespace tcpeek::engine
