#include "ipc/directory_trust.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace tcpeek::ipc {
namespace {

constexpr const char* kServiceUser = "tcpeek";
constexpr std::size_t kEntryBytes = 16384;  // of a user or a group, members included

}  // namespace

TrustedOwners trusted_owners() {
  TrustedOwners trusted{.users = {0, ::geteuid()}, .groups = {0}};
  std::vector<char> buffer(kEntryBytes);
  passwd user{};
  passwd* found_user = nullptr;
  if (::getpwnam_r(kServiceUser, &user, buffer.data(), buffer.size(), &found_user) == 0 &&
      found_user != nullptr) {
    trusted.users.push_back(user.pw_uid);
    trusted.groups.push_back(user.pw_gid);
  }
  ::group group{};
  ::group* found_group = nullptr;
  if (::getgrnam_r(kServiceUser, &group, buffer.data(), buffer.size(), &found_group) == 0 &&
      found_group != nullptr) {
    trusted.groups.push_back(group.gr_gid);
  }
  return trusted;
}

std::optional<std::string> untrusted_reason(const std::string& directory, uid_t owner, gid_t group,
                                            mode_t mode, const TrustedOwners& trusted) {
  const auto is_in = [](const auto& list, auto id) {
    return std::find(list.begin(), list.end(), id) != list.end();
  };
  if (!is_in(trusted.users, owner)) {
    return fmt::format(
        "{} belongs to user {}, who could replace the socket; remove it, give it to root, or "
        "choose "
        "another path with -U",
        directory, owner);
  }
  if ((mode & S_IWOTH) != 0) {
    return fmt::format(
        "everyone may write to {} (mode {:04o}) and so replace the socket; chmod 755 it, or choose "
        "another path with -U",
        directory, mode & 07777U);
  }
  if ((mode & S_IWGRP) != 0 && !is_in(trusted.groups, group)) {
    return fmt::format(
        "group {} may write to {} (mode {:04o}) and so replace the socket; chmod 755 it, or choose "
        "another path with -U",
        group, directory, mode & 07777U);
  }
  return std::nullopt;
}

}  // namespace tcpeek::ipc
