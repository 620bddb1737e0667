// Who gets the listening path, what is left behind, and what is never touched.
#include "ipc/socket_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <fstream>
#include <optional>
#include <vector>

#include "tests/ipc/socket_path_support.h"

namespace tcpeek::ipc {
namespace {

using namespace test;
using testing::HasSubstr;
using Parent = SocketPath::Parent;

const std::string kBeside =
    "`tcpeekstat watch` shows what it sees; for a look of your own beside it give --no-socket, or "
    "another path with -U";

TEST(SocketPath, ListensAndLeavesNothingBehind) {
  TempDir dir;
  const std::string path = dir / "x.sock";
  {
    const SocketPath place = listen_at(path);
    EXPECT_EQ(place.path(), path);
    EXPECT_TRUE(answers(path));
    EXPECT_TRUE(exists(path + ".lock"));
    EXPECT_EQ(mode_of(path), 0660U);
    EXPECT_EQ(mode_of(path + ".lock"), 0600U);
  }
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

TEST(SocketPath, TheUmaskDoesNotMatter) {
  for (const mode_t mask : {0000U, 0022U, 0077U, 0177U}) {
    TempDir dir;
    const std::string path = dir / "made/x.sock";
    const mode_t before = ::umask(mask);
    {
      const SocketPath place = listen_at(path, Parent::make);
      ::umask(before);
      EXPECT_EQ(mode_of(path), 0660U) << mask;
      EXPECT_EQ(mode_of(dir / "made"), 0755U) << mask;
    }
    EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
  }
}

TEST(SocketPath, MovingItMovesTheDuty) {
  TempDir dir;
  const std::string path = dir / "x.sock";
  std::optional<SocketPath> kept;
  {
    SocketPath place = listen_at(path);
    kept.emplace(std::move(place));
  }
  EXPECT_TRUE(answers(path));
  EXPECT_EQ(kept->path(), path);
  kept.reset();
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

TEST(SocketPath, TheListenerCanBeTaken) {
  TempDir dir;
  SocketPath place = listen_at(dir / "x.sock");
  const UniqueFd listener = place.take_listener();
  ASSERT_TRUE(listener);
  EXPECT_FALSE(place.take_listener());
  const Client client(dir / "x.sock");
  EXPECT_GE(UniqueFd(::accept(listener.get(), nullptr, nullptr)).get(), 0);
  EXPECT_EQ(::accept(listener.get(), nullptr, nullptr), -1);
  EXPECT_EQ(errno, EAGAIN);
}

// A client that does not wait is refused when the queue is full.
TEST(SocketPath, TheQueueIsAsLongAsTheKernelAllows) {
  std::size_t allowed = 0;
  std::ifstream("/proc/sys/net/core/somaxconn") >> allowed;
  if (allowed <= 128 || allowed > 100'000) GTEST_SKIP() << "net.core.somaxconn is " << allowed;
  TempDir dir;
  const SocketPath place = listen_at(dir / "x.sock");
  std::size_t waiting = 0;
  int error = 0;
  while (error == 0 && waiting <= 2 * allowed) {
    // Closed at once, it stays in the queue.
    const UniqueFd client = unix_socket(SOCK_STREAM | SOCK_NONBLOCK);
    error = connect_to(client.get(), dir / "x.sock") == 0 ? 0 : errno;
    if (error == 0) ++waiting;
  }
  EXPECT_EQ(error, EAGAIN);
  EXPECT_EQ(waiting, allowed + 1);  // the kernel compares with "greater than"
}

TEST(SocketPath, AStaleSocketIsReplaced) {
  TempDir dir;
  const std::string path = dir / "x.sock";
  for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
    make_stale_socket(path, type);
    EXPECT_FALSE(answers(path));
    const SocketPath place = listen_at(path);
    EXPECT_TRUE(answers(path));
  }
}

TEST(SocketPath, WhatAKilledProcessLeftIsTakenOver) {
  TempDir dir;
  const std::string path = dir / "x.sock";
  EXPECT_EQ(in_child([&]() -> int {
              const SocketPath place = listen_at(path);
              ::_exit(3);  // no destructor runs
            }),
            3);
  EXPECT_TRUE(exists(path));
  EXPECT_TRUE(exists(path + ".lock"));
  const SocketPath place = listen_at(path);
  EXPECT_TRUE(answers(path));
}

TEST(SocketPath, ALiveListenerWithoutALockIsNotStolen) {
  TempDir dir;
  const std::string path = dir / "x.sock";
  const UniqueFd original = unix_socket();
  ASSERT_EQ(bind_to(original.get(), path), 0);
  ASSERT_EQ(::listen(original.get(), 5), 0);
  EXPECT_EQ(refusal(path),
            "cannot listen on " + path + ": another tcpeek is answering there; " + kBeside);
  EXPECT_TRUE(answers(path));
  EXPECT_FALSE(exists(path + ".lock"));
}

TEST(SocketPath, ALiveListenerWithAFullQueueIsNotStolen) {
  TempDir dir;
  const std::string path = dir / "x.sock";
  const UniqueFd original = unix_socket();
  ASSERT_EQ(bind_to(original.get(), path), 0);
  ASSERT_EQ(::listen(original.get(), 0), 0);
  std::vector<UniqueFd> waiting;
  for (;;) {
    waiting.push_back(unix_socket(SOCK_STREAM | SOCK_NONBLOCK));
    if (connect_to(waiting.back().get(), path) != 0) break;
    ASSERT_LT(waiting.size(), 100U);
  }
  ASSERT_EQ(errno, EAGAIN);
  EXPECT_THAT(refusal(path), HasSubstr("another tcpeek is answering there"));
  EXPECT_TRUE(exists(path));
}

TEST(SocketPath, ALiveSocketOfAnotherKindIsNotStolen) {
  TempDir dir;
  const std::string path = dir / "x.sock";
  const UniqueFd datagrams = unix_socket(SOCK_DGRAM);
  ASSERT_EQ(bind_to(datagrams.get(), path), 0);
  EXPECT_THAT(refusal(path), HasSubstr("another program has a socket there"));
  const UniqueFd sender = unix_socket(SOCK_DGRAM);
  EXPECT_EQ(connect_to(sender.get(), path), 0);
}

TEST(SocketPath, ASecondOneIsRefusedAndTheFirstGoesOn) {
  TempDir dir;
  const std::string path = dir / "x.sock";
  const SocketPath first = listen_at(path);
  EXPECT_EQ(refusal(path), "cannot listen on " + path +
                               ": another tcpeek is running there (it holds " + path + ".lock); " +
                               kBeside);
  EXPECT_TRUE(answers(path));
  EXPECT_TRUE(exists(path + ".lock"));
}

TEST(SocketPath, OtherFilesAreNeverRemoved) {
  TempDir dir;
  const std::string file = dir / "file";
  std::ofstream(file) << "precious";
  const std::string link = dir / "link";
  ASSERT_EQ(::symlink("file", link.c_str()), 0);
  const std::string folder = dir / "folder";
  ASSERT_EQ(::mkdir(folder.c_str(), 0755), 0);
  const std::string fifo = dir / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  for (const std::string& path : {file, link, folder, fifo}) {
    EXPECT_EQ(refusal(path), "cannot listen on " + path +
                                 ": there is a file that is not a socket; remove it or choose "
                                 "another path with -U");
    EXPECT_TRUE(exists(path));
    EXPECT_FALSE(exists(path + ".lock"));
  }
  EXPECT_EQ(std::filesystem::file_size(file), 8U);
}

TEST(SocketPath, AForeignFileInTheLocksPlaceIsNeverRemoved) {
  TempDir dir;
  const std::string path = dir / "Cargo";
  std::ofstream(path + ".lock") << "precious";
  EXPECT_THAT(refusal(path), HasSubstr(path + ".lock is not a lock file of tcpeek"));
  EXPECT_EQ(std::filesystem::file_size(path + ".lock"), 8U);

  const std::string other = dir / "other";
  ASSERT_EQ(::symlink("nowhere", (other + ".lock").c_str()), 0);
  EXPECT_THAT(refusal(other), HasSubstr("opening " + other + ".lock failed"));
  EXPECT_TRUE(exists(other + ".lock"));
  EXPECT_FALSE(exists(dir / "nowhere"));
}

TEST(SocketPath, AMissingDirectoryIsReportedOrMade) {
  TempDir dir;
  const std::string path = dir / "made/x.sock";
  EXPECT_EQ(refusal(path), "cannot listen on " + path + ": there is no directory " +
                               (dir / "made") + "; create it or choose another path with -U");
  {
    const SocketPath place = listen_at(path, Parent::make);
    EXPECT_TRUE(answers(path));
    EXPECT_EQ(mode_of(dir / "made"), 0755U);
  }
  EXPECT_FALSE(exists(dir / "made"));
}

TEST(SocketPath, OnlyOneLevelIsMade) {
  TempDir dir;
  EXPECT_THAT(refusal(dir / "a/b/x.sock", Parent::make),
              HasSubstr("creating the directory " + (dir / "a/b") + " failed: No such file"));
  EXPECT_FALSE(exists(dir / "a"));
}

TEST(SocketPath, ADirectoryThatWasThereOrIsUsedStays) {
  TempDir dir;
  ASSERT_EQ(::mkdir((dir / "there").c_str(), 0700), 0);
  { const SocketPath place = listen_at(dir / "there/x.sock", Parent::make); }
  EXPECT_EQ(mode_of(dir / "there"), 0700U);
  {
    const SocketPath place = listen_at(dir / "made/x.sock", Parent::make);
    std::ofstream(dir / "made/note") << "x";
  }
  EXPECT_TRUE(exists(dir / "made/note"));
  EXPECT_FALSE(exists(dir / "made/x.sock"));
}

TEST(SocketPath, AFailedStartRemovesTheDirectoryItMade) {
  TempDir dir;
  // The lock's name fits a directory entry, the socket's name does; the path of the socket is a
  // file where a directory is asked for.
  std::ofstream(dir / "file") << "";
  EXPECT_THAT(refusal(dir / "file/x.sock", Parent::make), HasSubstr("Not a directory"));
  const std::string made = dir / "made";
  EXPECT_EQ(in_child([&] {
              // There is no descriptor left for the socket once directory and lock were made.
              const rlimit few{static_cast<rlim_t>(::dup(0)) + 2, 1024};
              if (::setrlimit(RLIMIT_NOFILE, &few) != 0) return 1;
              return refusal(made + "/x.sock", Parent::make).empty() ? 2 : 0;
            }),
            0);
  EXPECT_FALSE(exists(made));
}

TEST(SocketPath, PathsThatCannotBe) {
  EXPECT_THAT(refusal(""), HasSubstr("empty path"));
  EXPECT_THAT(refusal(std::string("/tmp/a\0b", 8)), HasSubstr("NUL"));
}

TEST(SocketPath, TheLongestPathAndOneByteMore) {
  TempDir dir;
  const std::size_t room = sizeof(sockaddr_un::sun_path) - 1 - dir.path().size() - 1;
  const std::string longest = dir / std::string(room, 'p');
  {
    const SocketPath place = listen_at(longest);
    EXPECT_TRUE(answers(longest));
  }
  EXPECT_EQ(
      refusal(longest + "p"),
      "cannot listen on " + longest +
          "p: the path has 108 bytes, a UNIX socket takes 107; choose a shorter path with -U");
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

TEST(SocketPath, ANameThatBecameAnothersIsNotRemoved) {
  TempDir dir;
  const std::string path = dir / "x.sock";
  UniqueFd theirs = unix_socket();
  {
    const SocketPath place = listen_at(path);
    ASSERT_EQ(::unlink(path.c_str()), 0);
    ASSERT_EQ(bind_to(theirs.get(), path), 0);
    ASSERT_EQ(::listen(theirs.get(), 1), 0);
    ASSERT_EQ(::unlink((path + ".lock").c_str()), 0);
    std::ofstream(path + ".lock") << "theirs";
  }
  EXPECT_TRUE(answers(path));
  EXPECT_TRUE(exists(path + ".lock"));
}

TEST(SocketPath, AChildOfForkRemovesNothingAndKeepsNoClaim) {
  TempDir dir;
  const std::string path = dir / "x.sock";
  std::optional<SocketPath> place = listen_at(path);
  EXPECT_EQ(in_child([&] {
              place.reset();
              return 0;
            }),
            0);
  EXPECT_TRUE(answers(path));
  EXPECT_THAT(refusal(path), HasSubstr("another tcpeek is running there"));
  place.reset();
  EXPECT_FALSE(exists(path));
}

}  // namespace
}  // namespace tcpeek::ipc
