// A time zone for one test: what is printed in local time is the same on every machine.
#pragma once

#include <ctime>

#include "tests/engine/base/environment.h"

namespace tcpeek::engine::test {

class LocalZone {
 public:
  explicit LocalZone(const char* zone) : variable_("TZ", zone) { ::tzset(); }
  LocalZone(const LocalZone&) = delete;
  LocalZone& operator=(const LocalZone&) = delete;
  ~LocalZone() {
    variable_.restore();
    ::tzset();
  }

 private:
  Environment variable_;
};

}  // namespace tcpeek::engine::test
