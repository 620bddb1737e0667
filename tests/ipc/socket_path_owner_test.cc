// The listening path and users: giving it away, taking it over, missing permission.
#include <gtest/gtest.h>

#include "ipc/socket_path.h"
#include "tests/ipc/socket_path_support.h"

namespace tcpeek::ipc {
namespace {

using namespace test;
using Parent = SocketPath::Parent;

constexpr uid_t kNobody = 65534;

struct Owner {
  uid_t user = 0;
  gid_t group = 0;
  bool operator==(const Owner&) const = default;
};

Owner owner_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
  return {status.st_uid, status.st_gid};
}

TEST(SocketPath, GivenToAnotherUserItCanStillBeRemoved) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  TempDir dir;
  ASSERT_EQ(::chmod(dir.path().c_str(), 0755), 0);
  const std::string path = dir / "made/x.sock";
  EXPECT_EQ(in_child([&] {
              {
                SocketPath place = listen_at(path, Parent::make);
                place.give_to(kNobody, kNobody);
                const Owner nobody{kNobody, kNobody};
                if (owner_of(path) != nobody) return 1;
                if (owner_of(path + ".lock") != nobody) return 2;
                if (owner_of(dir / "made") != nobody) return 3;
                if (owner_of(dir.path()) == nobody) return 4;
                if (mode_of(path) != 0660) return 5;
                if (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) return 6;
              }
              return 0;
            }),
            0);
  // The directory above is root's: ours is empty, but stays.
  EXPECT_TRUE(exists(dir / "made"));
  EXPECT_TRUE(std::filesystem::is_empty(dir / "made"));
}

TEST(SocketPath, ADirectoryNotMadeHereKeepsItsOwner) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  TempDir dir;
  SocketPath place = listen_at(dir / "x.sock");
  const Owner before = owner_of(dir.path());
  place.give_to(kNobody, kNobody);
  EXPECT_EQ(owner_of(dir.path()), before);
}

TEST(SocketPath, WhatAnotherUserLeftInASharedFolderIsTakenOver) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can take over another user's files";
  TempDir dir;
  ASSERT_EQ(::chmod(dir.path().c_str(), 01777), 0);  // as /tmp is
  const std::string path = dir / "x.sock";
  EXPECT_EQ(in_child([&] {
              if (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) return 1;
              const SocketPath place = listen_at(path);
              ::_exit(0);  // no destructor runs
            }),
            0);
  EXPECT_EQ(owner_of(path + ".lock"), (Owner{kNobody, kNobody}));
  const SocketPath place = listen_at(path);
  EXPECT_TRUE(answers(path));
}

TEST(SocketPath, MissingPermissionIsNamed) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs to become another user";
  TempDir dir;
  ASSERT_EQ(::chmod(dir.path().c_str(), 0755), 0);
  const std::string path = dir / "x.sock";
  EXPECT_EQ(in_child([&] {
              if (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) return 1;
              const std::string expected =
                  "cannot listen on " + path + ": creating " + path +
                  ".lock failed: Permission denied; run as root or choose another path with -U";
              return refusal(path) == expected ? 0 : 2;
            }),
            0);
}

TEST(SocketPath, GivingAwayWithoutThePrivilegeIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs to become another user";
  TempDir dir;
  ASSERT_EQ(::chmod(dir.path().c_str(), 01777), 0);
  EXPECT_EQ(in_child([&] {
              if (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) return 1;
              SocketPath place = listen_at(dir / "x.sock");
              try {
                place.give_to(0, 0);
                return 2;
              } catch (const ListenError& error) {
                const std::string text = error.what();
                return text.find("to user 0: Operation not permitted") == std::string::npos ? 3 : 0;
              }
            }),
            0);
}

}  // namespace
}  // namespace tcpeek::ipc
