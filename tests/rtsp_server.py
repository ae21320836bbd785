"""An RTSP server, by GStreamer under the system's own Python: rtsp_server.py PORT FOLDER, of pictures 00000.jpg, …"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

port, folder = sys.argv[1:]
Gst.init(None)
factory = GstRtspServer.RTSPMediaFactory(shared=True)
pictures = f'multifilesrc location="{folder}/%05d.jpg" loop=true caps="image/jpeg,framerate=30/1" ! jpegdec'
coded = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 ! rtph264pay name=pay0 config-interval=1"
factory.set_launch(f"( {pictures} ! videoconvert ! {coded} )")
server = GstRtspServer.RTSPServer(address="127.0.0.1", service=port)
server.get_mount_points().add_factory("/camera", factory)
if not server.attach(None):
    sys.exit(f"nothing can listen at port {port}")
print("ready", flush=True)
GLib.MainLoop().run()
