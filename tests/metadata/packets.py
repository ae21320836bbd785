"""Sidecars as other programs write them, and exiftool."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

needs_exiftool = pytest.mark.skipif(not shutil.which("exiftool"), reason="exiftool is not installed")

DIGIKAM = """<?xml version="1.0" encoding="UTF-8"?>
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<!-- kept by hand -->
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:digiKam="http://www.digikam.org/ns/1.0/"
    xmlns:MP="http://ns.microsoft.com/photo/1.2/"
    xmlns:MPRI="http://ns.microsoft.com/photo/1.2/t/RegionInfo#"
    xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#"
    xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/"
    xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#"
    xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#"
    xmlns:mine="urn:of-somebody"
   digiKam:ColorLabel="3"
   mine:field="kept">
   <digiKam:TagsList>
    <rdf:Seq>
     <rdf:li>People/Ada Lovelace</rdf:li>
    </rdf:Seq>
   </digiKam:TagsList>
   <mine:deep rdf:parseType="Resource"><mine:inner><![CDATA[a < b]]></mine:inner><!-- inside --></mine:deep>
   <MP:RegionInfo rdf:parseType="Resource">
    <MPRI:Regions>
     <rdf:Bag>
      <rdf:li
       MPReg:PersonDisplayName="Ada Lovelace"
       MPReg:Rectangle="0.4, 0.1, 0.2, 0.4"/>
      <rdf:li MPReg:Rectangle="0.05, 0.1, 0.1, 0.2"/>
      <rdf:li MPReg:PersonDisplayName="Without a Place"/>
     </rdf:Bag>
    </MPRI:Regions>
   </MP:RegionInfo>
   <mwg-rs:Regions rdf:parseType="Resource">
    <mwg-rs:AppliedToDimensions stDim:w="400" stDim:h="300" stDim:unit="pixel"/>
    <mwg-rs:RegionList>
     <rdf:Bag>
      <rdf:li>
       <rdf:Description
        mwg-rs:Name="Ada Lovelace"
        mwg-rs:Type="Face">
       <mwg-rs:Area
        stArea:x="0.5"
        stArea:y="0.3"
        stArea:w="0.2"
        stArea:h="0.4"
        stArea:unit="normalized"/>
       </rdf:Description>
      </rdf:li>
      <rdf:li>
       <rdf:Description mwg-rs:Type="Face">
       <mwg-rs:Area stArea:x="0.1" stArea:y="0.2" stArea:w="0.1" stArea:h="0.2" stArea:unit="normalized"/>
       </rdf:Description>
      </rdf:li>
     </rdf:Bag>
    </mwg-rs:RegionList>
   </mwg-rs:Regions>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""
"""digiKam's way, through Exiv2, with what another program and a person added."""

LIGHTROOM = """<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core 7.0-c000 1.000000, 0000/00/00        ">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/"
    xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
    xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/"
    xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#"
    xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#"
    xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"
   photoshop:SidecarForExtension="JPG"
   crs:Exposure2012="+0.35">
   <mwg-rs:Regions>
    <rdf:Description>
     <mwg-rs:AppliedToDimensions
      stDim:w="400"
      stDim:h="300"
      stDim:unit="pixel"/>
     <mwg-rs:RegionList>
      <rdf:Bag>
       <rdf:li>
        <rdf:Description
         mwg-rs:Rotation="0.00000"
         mwg-rs:Name="Ada Lovelace"
         mwg-rs:Type="Face">
         <mwg-rs:Area
          stArea:h="0.40000"
          stArea:w="0.20000"
          stArea:x="0.50000"
          stArea:y="0.30000"/>
        </rdf:Description>
       </rdf:li>
       <rdf:li mwg-rs:Name="Rex" mwg-rs:Type="Pet">
         <mwg-rs:Area stArea:h="0.1" stArea:w="0.1" stArea:x="0.9" stArea:y="0.9"/>
       </rdf:li>
      </rdf:Bag>
     </mwg-rs:RegionList>
    </rdf:Description>
   </mwg-rs:Regions>
   <xmpMM:Pantry>
    <rdf:Bag>
     <rdf:li rdf:parseType="Resource">
      <mwg-rs:Regions rdf:parseType="Resource">
       <mwg-rs:RegionList><rdf:Bag><rdf:li rdf:parseType="Resource"><mwg-rs:Name>Of an Ingredient</mwg-rs:Name>
        <mwg-rs:Area stArea:h="0.1" stArea:w="0.1" stArea:x="0.2" stArea:y="0.2"/></rdf:li></rdf:Bag>
       </mwg-rs:RegionList>
      </mwg-rs:Regions>
     </rdf:li>
    </rdf:Bag>
   </xmpMM:Pantry>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>"""
"""Lightroom's way."""


def exiftool(*arguments: str | Path) -> str:
    """What exiftool says; nothing of what it did may be in doubt."""
    done = subprocess.run(["exiftool", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def read_by_exiftool(path: Path, *tags: str) -> dict[str, Any]:
    """Tags of a file as exiftool understands them."""
    (found,) = json.loads(exiftool("-struct", "-json", "-G0", *(f"-{tag}" for tag in tags), path))
    return dict(found)


def write_by_exiftool(path: Path, name: str, area: tuple[float, float, float, float], size: tuple[int, int]) -> None:
    """Have exiftool write a region to a photo or sidecar."""
    x, y, width, height = area
    region = (
        f"{{AppliedToDimensions={{W={size[0]},H={size[1]},Unit=pixel}},RegionList=[{{Area={{X={x},Y={y},W={width},"
        f"H={height},Unit=normalized}},Name={name},Type=Face}}]}}"
    )
    exiftool("-overwrite_original", f"-RegionInfo={region}", path)
