// The secret keys of table and steering: random numbers of the kernel, new at each start.
//
// Thread contract: any thread.
#pragma once

#include <random>

#include "flowtable/key_hash.h"
#include "ring/steering.h"

namespace tcpeek::engine {

[[nodiscard]] flowtable::KeyHash::Secret random_secret(std::random_device& device);
[[nodiscard]] ring::SteeringKey random_steering(std::random_device& device);

}  // namespace tcpeek::engine
