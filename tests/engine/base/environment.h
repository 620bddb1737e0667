// A variable of the environment, changed for one test.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>

namespace tcpeek::engine::test {

class Environment {
 public:
  // A null value removes the variable.
  Environment(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    set(value);
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment() { restore(); }

  void restore() { set(before_ ? before_->c_str() : nullptr); }

 private:
  void set(const char* value) {
    if (value != nullptr) {
      ::setenv(name_.c_str(), value, 1);
    } else {
      ::unsetenv(name_.c_str());
    }
  }

  std::string name_;
  std::optional<std::string> before_;
};

}  // namespace tcpeek::engine::test
