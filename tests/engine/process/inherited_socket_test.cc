// A socket as systemd hands it over, and everything that is not one.
#include "engine/process/inherited_socket.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "tests/engine/process/child.h"

namespace tcpeek::engine {
namespace {

using test::in_child;
using ::testing::HasSubstr;

constexpr int kFirst = 3;

// What a child says that finds a socket of this kind at the first number, and these variables.
std::string taken(int domain, int type, bool listening, const char* count,
                  const char* process = nullptr) {
  return in_child([&]() -> std::string {
    const int made = ::socket(domain, type, 0);
    if (made < 0 || (listening && ::listen(made, 1) != 0)) return "cannot prepare";
    if (made != kFirst && ::dup2(made, kFirst) != kFirst) return "cannot prepare";
    if (count != nullptr) ::setenv("LISTEN_FDS", count, 1);
    ::setenv("LISTEN_PID", process != nullptr ? process : std::to_string(::getpid()).c_str(), 1);
    const bool known = sockets_were_handed_over();
    const ring::Descriptor socket = inherited_tcp_listener();
    if (!known) return "taken, though none was handed over";
    const bool closed_on_exec = (::fcntl(socket.get(), F_GETFD) & FD_CLOEXEC) != 0;
    const bool waits = (::fcntl(socket.get(), F_GETFL) & O_NONBLOCK) == 0;
    return std::to_string(socket.get()) + (closed_on_exec ? " cloexec" : "") +
           (waits ? " waits" : "");
  });
}

TEST(InheritedSocket, IsTakenAndMadeOurs) {
  EXPECT_EQ(taken(AF_INET, SOCK_STREAM, true, "1"), "3 cloexec");
  EXPECT_EQ(taken(AF_INET6, SOCK_STREAM, true, "1"), "3 cloexec");
}

TEST(InheritedSocket, AnythingElseIsRefusedWithWhatToDo) {
  for (const std::string& told :
       {taken(AF_INET, SOCK_STREAM, true, nullptr), taken(AF_INET, SOCK_STREAM, true, "0"),
        taken(AF_INET, SOCK_STREAM, true, "x"), taken(AF_INET, SOCK_STREAM, true, "-1"),
        taken(AF_INET, SOCK_STREAM, true, "1", "1"), taken(AF_INET, SOCK_STREAM, true, "1", "")}) {
    EXPECT_THAT(told, HasSubstr("passed no socket (LISTEN_FDS); enable tcpeek-metrics.socket"));
  }
  EXPECT_THAT(taken(AF_INET, SOCK_STREAM, true, "2"), HasSubstr("passed 2 sockets"));
  for (const std::string& told :
       {taken(AF_INET, SOCK_STREAM, false, "1"), taken(AF_INET, SOCK_DGRAM, false, "1"),
        taken(AF_UNIX, SOCK_STREAM, false, "1")}) {
    EXPECT_THAT(told, HasSubstr("is not a listening TCP socket"));
  }
}

}  // namespace
}  // namespace tcpeek::engine
