# Sets REPRO_NVRTC to NVRTC 13.0 from PyPI, installed into target/nvrtc. What newer versions make is refused by drivers for CUDA 13.0.
venv=target/nvrtc
find_nvrtc() { find "$PWD/$venv" -name 'libnvrtc.so.13' 2>/dev/null | head -1; }
if [ -z "$(find_nvrtc)" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet 'nvidia-cuda-nvrtc==13.0.*'
fi
export REPRO_NVRTC="$(find_nvrtc)"
