// The one place where the addon calls back: a wait for room in a send buffer.
//
// sendfile says EAGAIN when the buffer of a socket is full. The socket belongs to Node, which polls its descriptor for
// reading, and libuv allows one watcher for a descriptor. So the wait polls a duplicate: a number of its own, the same
// open file description.
//
// Lifetime of a wait, all on the thread that began it:
//
//   AwaitWritable -> [event]                 -> callback, uv_close -> OnClosed: the duplicate is closed, all is freed
//                 -> [the environment ends]  ->           uv_close -> OnClosed
//
// A duplicate keeps the connection open after Node has closed its own number. Who gives up a socket with a wait under
// way calls shutdown(2) first: the peer hears of it, the wait gets its event, and the duplicate goes.
#include "writable.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <uv.h>

namespace vltava {
namespace {

struct Wait {
  uv_poll_t poll;
  int fd;
  napi_env env;
  napi_ref callback;
  napi_async_context context;
  napi_async_cleanup_hook_handle hook;
};

void OnClosed(uv_handle_t* handle) {
  Wait* wait = static_cast<Wait*>(handle->data);
  close(wait->fd);
  napi_remove_async_cleanup_hook(wait->hook);
  delete wait;
}

// Gives back the callback and begins to close. Once.
void Finish(Wait* wait) {
  napi_delete_reference(wait->env, wait->callback);
  uv_poll_stop(&wait->poll);
  uv_close(reinterpret_cast<uv_handle_t*>(&wait->poll), OnClosed);
}

void OnEvent(uv_poll_t* poll, int, int) {
  Wait* wait = static_cast<Wait*>(poll->data);
  const napi_env env = wait->env;
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value callback;
  napi_value global;
  napi_get_reference_value(env, wait->callback, &callback);
  napi_get_global(env, &global);
  const napi_async_context context = wait->context;
  Finish(wait);
  if (napi_make_callback(env, context, global, callback, 0, nullptr, nullptr) == napi_pending_exception) {
    napi_value error;
    napi_get_and_clear_last_exception(env, &error);
    napi_fatal_exception(env, error);
  }
  napi_async_destroy(env, context);
  napi_close_handle_scope(env, scope);
}

// The thread ends: its loop runs until every handle is closed.
void OnEnvironmentEnd(napi_async_cleanup_hook_handle, void* data) {
  Wait* wait = static_cast<Wait*>(data);
  if (uv_is_closing(reinterpret_cast<uv_handle_t*>(&wait->poll)) != 0) return;
  napi_async_destroy(wait->env, wait->context);
  Finish(wait);
}

}  // namespace

int AwaitWritable(napi_env env, int fd, napi_value callback) {
  uv_loop_t* loop;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return -ENOTSUP;
  const int duplicate = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (duplicate < 0) return -errno;

  Wait* wait = new Wait();
  wait->fd = duplicate;
  wait->env = env;
  wait->poll.data = wait;
  const int result = uv_poll_init(loop, &wait->poll, duplicate);
  if (result < 0) {
    close(duplicate);
    delete wait;
    return result;
  }
  napi_value name;
  napi_create_string_utf8(env, "vltava.writable", NAPI_AUTO_LENGTH, &name);
  napi_async_init(env, nullptr, name, &wait->context);
  napi_create_reference(env, callback, 1, &wait->callback);
  napi_add_async_cleanup_hook(env, OnEnvironmentEnd, wait, &wait->hook);
  uv_poll_start(&wait->poll, UV_WRITABLE, OnEvent);
  return 0;
}

}  // namespace vltava
