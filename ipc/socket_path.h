// The path that tcpeek listens on: created, defended and removed here.
//
// How it works: a lock file `<path>.lock` under flock() says which tcpeek owns the path, so of two
// started together one wins. The one with the lock connects to a socket found there: if it answers, it
// is never taken, whether its owner knows about locks or not; if it refuses, its owner is gone and it is
// replaced. Anything that is not a socket stays, and is reported.
//
// The socket's mode is 0660 from the moment it exists, the lock's 0600. Socket, lock and directory
// belong to the user that called listen(), also when the process becomes another user later: that
// user could otherwise replace the socket of a later start by root.
//
// Thread contract: a plain value with one owner. listen() changes the process's umask for a moment.
// Invariants: socket, lock and a directory created for them are removed on destruction, each only if the
// name still leads to our own file, only by the process that created them, and only if the user it has
// become may. What it may not remove is left as by a process that was killed, and replaced at the next
// start. A start that fails leaves nothing of its own behind.
// Errors: ListenError, whose what() is one sentence for the user.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <system_error>

#include "ipc/unique_fd.h"

namespace tcpeek::ipc {

// what() is the sentence alone; code() is the system's reason.
class ListenError : public std::system_error {
 public:
  ListenError(int error_number, std::string sentence);
  [[nodiscard]] const char* what() const noexcept override { return sentence_->c_str(); }

 private:
  std::shared_ptr<const std::string> sentence_;  // shared: copying an exception must not throw
};

class SocketPath {
 public:
  // `make`, for the default path: a missing directory is created (one level, 0755), and one that exists
  // must be in trusted hands (directory_trust.h). For other paths, a directory is as its owner
  // wants it, and a missing one is reported, as the path may be mistyped.
  enum class Parent { must_exist, make };

  // Takes the path and listens there.
  [[nodiscard]] static SocketPath listen(std::string path, Parent parent);

  ~SocketPath();
  SocketPath(SocketPath&&) = default;
  SocketPath& operator=(SocketPath&&) = delete;

  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  // The listening, non-blocking socket, handed over once.
  [[nodiscard]] UniqueFd take_listener() noexcept { return std::move(listener_); }

  // Lets members of this group use the socket, too. Owners and everything else stay as they are.
  void allow_group(gid_t group);

 private:
  explicit SocketPath(std::string path);

  void take_lock(Parent parent);
  void check_directory() const;
  [[nodiscard]] UniqueFd open_lock(Parent parent, bool& made);
  [[noreturn]] void give_up(bool made, int error_number, const std::string& action) const;
  void make_directory();
  void remove_leftover() const;
  void bind_and_listen();
  [[noreturn]] void fail(int error_number, const std::string& reason) const;
  [[noreturn]] void fail_in(int error_number, const std::string& action) const;

  std::string path_;
  std::string lock_path_;
  std::string made_directory_;  // empty: it was there
  pid_t creator_;
  UniqueFd lock_;  // held: the flock is ours
  UniqueFd node_;  // the socket's file (O_PATH); while open, its inode number is not used again
  UniqueFd listener_;
};

}  // namespace tcpeek::ipc
