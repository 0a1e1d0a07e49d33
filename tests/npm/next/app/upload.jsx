"use client";

import { LonghaulUpload } from "longhaul/react";
import { useState } from "react";

export function Upload({ server }) {
  const [sealed, setSealed] = useState("");
  return (
    <>
      <LonghaulUpload endpoint={server} multiple onComplete={({ detail }) => setSealed(detail.file.id)} />
      <p id="sealed">{sealed}</p>
    </>
  );
}
