// For targets that take their input value by value: run() is the target's own, provided.cc calls it.
#pragma once

#include <fuzzer/FuzzedDataProvider.h>

namespace tcpeek::fuzz {

void run(FuzzedDataProvider& input);

}  // namespace tcpeek::fuzz
