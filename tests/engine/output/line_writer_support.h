// What the tests of the line writer share: a pipe and a terminal with both ends in hand.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>

#include "ring/descriptor.h"

namespace tcpeek::engine::test {

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) ring::throw_errno("pipe2");
    reading = ring::Descriptor(ends[0]);
    writing = ring::Descriptor(ends[1]);
  }
  // What is in it now.
  std::string take(std::size_t at_most = std::size_t{1} << 22) const {
    const int flags = ::fcntl(reading.get(), F_GETFL);
    ::fcntl(reading.get(), F_SETFL, flags | O_NONBLOCK);
    std::string text;
    std::array<char, 4096> buffer{};
    while (text.size() < at_most) {
      const std::size_t size = std::min(buffer.size(), at_most - text.size());
      const auto n = ::read(reading.get(), buffer.data(), size);
      if (n <= 0) break;
      text.append(buffer.data(), static_cast<std::size_t>(n));
    }
    ::fcntl(reading.get(), F_SETFL, flags);
    return text;
  }

  ring::Descriptor reading;
  ring::Descriptor writing;
};

struct Terminal {
  Terminal() {
    int parent = -1;
    int child = -1;
    if (::openpty(&parent, &child, nullptr, nullptr, nullptr) != 0) ring::throw_errno("openpty");
    master = ring::Descriptor(parent);
    slave = ring::Descriptor(child);
  }
  ring::Descriptor master;
  ring::Descriptor slave;
};

// Writing to a reader that is gone must not end the test.
class IgnoresSigpipe : public testing::Test {
 protected:
  void SetUp() override { before_ = ::signal(SIGPIPE, SIG_IGN); }
  void TearDown() override { ::signal(SIGPIPE, before_); }

 private:
  sighandler_t before_ = SIG_DFL;
};

inline std::string numbered(std::size_t i) {
  return "line " + std::to_string(i) + std::string(i % 97, '.');
}

}  // namespace tcpeek::engine::test
