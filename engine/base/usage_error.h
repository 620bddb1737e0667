// A usage error: what is wrong, why, and what is allowed, in one line (a filter expression adds the
// caret lines). The program exits with status 2.
//
// Thread contract: thrown and caught by the main thread.
#pragma once

#include <stdexcept>

namespace tcpeek::engine {

class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace tcpeek::engine
