// Which system calls each kind of thread may make once everything is set up, as data.
//
// A call is listed because something that runs by then makes it; the comment beside it says what. Calls
// that glibc makes differently on x86-64 and arm64 are listed in both forms; those that an architecture
// lacks are skipped there. Integers are compared in the 32 bits that the kernel looks at.
//
// Thread contract: pure functions. Tests: tests/engine/process/sandbox_test.cc, and the live tests, which
// run with these lists.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace tcpeek::engine {

enum class Role : std::uint8_t { reactor, reader, replay, replay_with_report, replay_reader };
inline constexpr std::size_t kRoles = 5;

// For messages: "the reactor".
[[nodiscard]] const char* name_of(Role role) noexcept;

// (argument & mask) == value. A mask of 0 means any.
struct ArgumentTest {
  unsigned index = 0;
  std::uint64_t mask = 0;
  std::uint64_t value = 0;
};

struct AllowedCall {
  const char* name = nullptr;
  std::array<ArgumentTest, 3> when{};  // all of them
};

// `syslog`: messages go to syslog(3), which reconnects when its daemon has been restarted.
[[nodiscard]] std::vector<AllowedCall> allowed_calls(Role role, bool syslog);

// Calls that fail with EACCES for every role: libraries try them, and manage without.
[[nodiscard]] std::span<const char* const> denied_calls() noexcept;

// Calls that nothing in here makes, but an intruder would: they kill the process at once, before any more
// of its code runs.
[[nodiscard]] std::span<const char* const> deadly_calls() noexcept;

}  // namespace tcpeek::engine
