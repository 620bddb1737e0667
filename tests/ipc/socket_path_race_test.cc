// Many at once on one path: threads, processes, comers and goers.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <atomic>
#include <barrier>
#include <cstdio>
#include <optional>
#include <thread>
#include <vector>

#include "ipc/socket_path.h"
#include "tests/ipc/socket_path_support.h"

namespace tcpeek::ipc {
namespace {

using namespace test;
using Parent = SocketPath::Parent;

// Every contender tries once at the same instant; winners keep the place until all have tried.
TEST(SocketPath, OfThreadsRacingExactlyOneWins) {
  constexpr int kContenders = 8;
  for (int round = 0; round < 40; ++round) {
    TempDir dir;
    const std::string path = dir / "x.sock";
    if (round % 2 == 1) make_stale_socket(path);
    std::atomic<int> winners{0};
    std::barrier line(kContenders);
    std::vector<std::thread> threads;
    for (int i = 0; i < kContenders; ++i) {
      threads.emplace_back([&] {
        std::optional<SocketPath> place;
        line.arrive_and_wait();
        try {
          place.emplace(listen_at(path, Parent::make));
          ++winners;
        } catch (const ListenError&) {
        }
        line.arrive_and_wait();
        if (place) {
          EXPECT_TRUE(answers(path));
        }
        line.arrive_and_wait();
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(winners, 1) << "round " << round;
    EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
  }
}

TEST(SocketPath, OfProcessesRacingExactlyOneWins) {
  constexpr int kContenders = 6;
  constexpr int kNoPipe = 2;  // what a child ends with whose pipe fails
  for (int round = 0; round < 10; ++round) {
    TempDir dir;
    const std::string path = dir / "x.sock";
    if (round % 2 == 1) make_stale_socket(path);
    int start[2];
    int end[2];
    ASSERT_EQ(::pipe(start), 0);
    ASSERT_EQ(::pipe(end), 0);
    int tried[2];
    ASSERT_EQ(::pipe(tried), 0);
    std::fflush(nullptr);
    std::vector<pid_t> children;
    for (int i = 0; i < kContenders; ++i) {
      const pid_t child = ::fork();
      if (child == 0) {
        ::close(start[1]);
        ::close(end[1]);
        char byte = 0;
        if (::read(start[0], &byte, 1) < 0)
          ::_exit(kNoPipe);  // all begin when the parent closes it
        int won = 0;
        {
          std::optional<SocketPath> place;
          try {
            place.emplace(listen_at(path));
            won = 1;
          } catch (const ListenError&) {
          }
          if (::write(tried[1], "t", 1) < 0 || ::read(end[0], &byte, 1) < 0) ::_exit(kNoPipe);
        }
        ::_exit(won);
      }
      children.push_back(child);
    }
    ::close(start[1]);
    for (int i = 0; i < kContenders; ++i) {
      char byte = 0;
      ASSERT_EQ(::read(tried[0], &byte, 1), 1);
    }
    EXPECT_TRUE(answers(path));
    ::close(end[1]);
    int winners = 0;
    for (const pid_t child : children) {
      int status = 0;
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      ASSERT_TRUE(WIFEXITED(status));
      ASSERT_NE(WEXITSTATUS(status), kNoPipe);
      winners += WEXITSTATUS(status);
    }
    for (const int fd : {start[0], end[0], tried[0], tried[1]}) ::close(fd);
    EXPECT_EQ(winners, 1);
    EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
  }
}

// Starters and leavers without pause: whoever is told it won is alone, answers, and its
// lock has its name.
TEST(SocketPath, ComingAndGoingNeverLosesALiveSocket) {
  TempDir dir;
  const std::string path = dir / "made/x.sock";
  std::atomic<int> holders{0};
  std::atomic<int> wins{0};
  std::atomic<bool> violated{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int turn = 0; turn < 2000; ++turn) {
        try {
          const SocketPath place = listen_at(path, Parent::make);
          const bool alone = holders.fetch_add(1) == 0;
          if (!alone || !answers(path) || !exists(path + ".lock")) violated = true;
          ++wins;
          holders.fetch_sub(1);
        } catch (const ListenError&) {
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(violated);
  EXPECT_GT(wins, 0);
  // The directory stays if somebody else was in it when its maker left.
  EXPECT_FALSE(exists(path));
  EXPECT_FALSE(exists(path + ".lock"));
}

}  // namespace
}  // namespace tcpeek::ipc
