/* SPDX-License-Identifier: Apache-2.0
 *
 * service_notify.h - tells a service manager how the process is (sd_notify's protocol: a datagram to $NOTIFY_SOCKET).
 */
#ifndef TURNOUT_TOOLS_SERVICE_NOTIFY_H
#define TURNOUT_TOOLS_SERVICE_NOTIFY_H

/* "READY=1", "STOPPING=1". Without $NOTIFY_SOCKET, or when nobody listens, nothing happens: the manager's loss. */
void tn_service_notify(const char *state);
/* "RELOADING=1", with the time systemd wants beside it; READY=1 is due when it is over. */
void tn_service_notify_reloading(void);

#endif
